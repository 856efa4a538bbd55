"""Vectors of floats that are written down, so that a number comes out the same on every processor.

A kernel is a Python function that emits LLVM's instructions through an `Emitter`, once, when it is compiled. All
numbers of a network lie in one flat float32 array, its memory; a place is an offset in it, counted in floats. A vector
has as many lanes as the kernel says, and LLVM cuts it into registers of whatever size there is. Multiply-and-add is
asked for by its name (llvm.fma, rounded once), the order of every sum is written down, and nothing is left to a
compiler that may reorder: hence the same bits with any vectors. Where no hardware multiplies and adds at once, LLVM
calls the C library's fmaf, which is slow and must round once, too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16  # images side by side, or units
FLOAT, INDEX, INT32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)
Place = Any  # an integer, or an integer of LLVM's


class Vector:
    """A vector in a kernel, with arithmetic lane by lane."""

    def __init__(self, emitter: "Emitter", value: ir.Value) -> None:
        self.emitter, self.value = emitter, value

    def _with(self, instruction: str, other: "Vector") -> "Vector":
        return Vector(self.emitter, getattr(self.emitter.builder, instruction)(self.value, other.value))

    def __add__(self, other: "Vector") -> "Vector":
        return self._with("fadd", other)

    def __sub__(self, other: "Vector") -> "Vector":
        return self._with("fsub", other)

    def __mul__(self, other: "Vector") -> "Vector":
        return self._with("fmul", other)

    def __truediv__(self, other: "Vector") -> "Vector":
        return self._with("fdiv", other)

    def __neg__(self) -> "Vector":
        return self.emitter.number(0.0) - self

    def where(self, relation: str, other: "Vector", yes: "Vector", no: "Vector") -> "Vector":
        """`yes` where the relation to `other` holds, else `no`; it never holds for what is no number."""
        holds = self.emitter.builder.fcmp_ordered(relation, self.value, other.value)
        return Vector(self.emitter, self.emitter.builder.select(holds, yes.value, no.value))

    def at_least(self, floor: "Vector") -> "Vector":
        """The larger of two; what is no number stays so."""
        return floor.where(">", self, floor, self)

    def total(self) -> ir.Value:
        """The sum of all lanes as a scalar: of halves, of their halves, and so on."""
        builder, value, count = self.emitter.builder, self.value, self.emitter.lanes
        while count > 1:
            count //= 2
            low, high = (integers(range(start, start + count)) for start in (0, count))
            nothing = ir.Constant(value.type, ir.Undefined)
            value = builder.fadd(
                builder.shuffle_vector(value, nothing, low), builder.shuffle_vector(value, nothing, high)
            )
        return builder.extract_element(value, ir.Constant(INT32, 0))


def integers(numbers: "range | list[int]") -> ir.Constant:
    """A constant vector of 32-bit integers."""
    return ir.Constant(ir.VectorType(INT32, len(numbers)), list(numbers))


class Emitter:
    """Emits the instructions of one kernel; vectors have `lanes` floats, of the memory that `data` points to."""

    def __init__(self, builder: ir.IRBuilder, data: ir.Value, lanes: int) -> None:
        self.builder, self.data, self.lanes = builder, data, lanes
        self.kind = ir.VectorType(FLOAT, lanes)

    def with_lanes(self, lanes: int) -> "Emitter":
        """The same kernel's emitter, whose vectors have so many floats."""
        return Emitter(self.builder, self.data, lanes)

    # Places.

    def place(self, *parts: Place) -> ir.Value:
        """The sum of some offsets; a pair of integers stands for their product."""
        place = None
        for part in parts:
            offset = self.times(*part) if isinstance(part, tuple) else self.index(part)
            place = offset if place is None else self.builder.add(place, offset, flags=["nsw"])
        return place

    def times(self, a: Place, b: Place) -> ir.Value:
        """The product of two integers."""
        return self.builder.mul(self.index(a), self.index(b), flags=["nsw"])

    def index(self, number: Place) -> ir.Value:
        """An integer as LLVM has it."""
        return ir.Constant(INDEX, number) if isinstance(number, int) else number

    def _pointer(self, place: Place, kind: ir.Type) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(self.data, [self.index(place)]), kind.as_pointer())

    # Between memory and registers.

    def load(self, *place: Place) -> Vector:
        """The vector that begins at the sum of these offsets."""
        return Vector(self, self.builder.load(self._pointer(self.place(*place), self.kind), align=4))

    def store(self, value: Vector, *place: Place) -> None:
        """Write a vector from the sum of these offsets on."""
        self.builder.store(value.value, self._pointer(self.place(*place), self.kind), align=4)

    def scalar(self, *place: Place) -> ir.Value:
        """The one number at the sum of these offsets."""
        return self.builder.load(self._pointer(self.place(*place), FLOAT), align=4)

    def put(self, scalar: ir.Value, *place: Place) -> None:
        """Write one number to the sum of these offsets."""
        self.builder.store(scalar, self._pointer(self.place(*place), FLOAT), align=4)

    def add(self, scalar: ir.Value, *place: Place) -> None:
        """Add a scalar to the number that stands there."""
        self.put(self.builder.fadd(self.scalar(*place), scalar), *place)

    # Vectors.

    def splat(self, scalar: ir.Value) -> Vector:
        """A scalar in all lanes."""
        nothing = ir.Constant(self.kind, ir.Undefined)
        one = self.builder.insert_element(nothing, scalar, ir.Constant(INT32, 0))
        return Vector(self, self.builder.shuffle_vector(one, nothing, integers([0] * self.lanes)))

    def spread(self, *place: Place) -> Vector:
        """The number at a place in all lanes."""
        return self.splat(self.scalar(*place))

    def number(self, number: float) -> Vector:
        """A constant in all lanes."""
        return Vector(self, ir.Constant(self.kind, [ir.Constant(FLOAT, float(number))] * self.lanes))

    def fma(self, a: Vector, b: Vector, c: Vector) -> Vector:
        """a * b + c, rounded once."""
        kind = ir.FunctionType(self.kind, [self.kind] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.v{self.lanes}f32")
        return Vector(self, self.builder.call(function, [a.value, b.value, c.value]))

    # Bits of floats, as exponentials and logarithms need them.

    def bits(self, value: Vector) -> ir.Value:
        """The bits of each float, as 32-bit integers."""
        return self.builder.bitcast(value.value, ir.VectorType(INT32, self.lanes))

    def of_bits(self, bits: ir.Value) -> Vector:
        """The floats that have these bits."""
        return Vector(self, self.builder.bitcast(bits, self.kind))

    def all_lanes(self, number: int) -> ir.Constant:
        """A constant 32-bit integer in all lanes."""
        return integers([number] * self.lanes)

    # Loops.

    def variable(self, value: Vector | None = None) -> ir.Value:
        """A vector that changes in a loop, 0 unless told otherwise; LLVM keeps it in registers."""
        return cgutils.alloca_once_value(self.builder, (value or self.number(0.0)).value)

    def get(self, variable: ir.Value) -> Vector:
        """The vector that a variable holds now."""
        return Vector(self, self.builder.load(variable))

    def set(self, variable: ir.Value, value: Vector) -> None:
        """Let a variable hold this vector."""
        self.builder.store(value.value, variable)

    def accumulate(self, variable: ir.Value, a: Vector, b: Vector) -> None:
        """variable = a * b + variable, rounded once."""
        self.set(variable, self.fma(a, b, self.get(variable)))

    @contextmanager
    def loop(self, count: Place) -> Iterator[ir.Value]:
        """Emit what is inside for each number from 0 to `count` - 1, which it is given."""
        with cgutils.for_range(self.builder, self.index(count)) as loop:
            yield loop.index

    def in_blocks(self, count: Place, sizes: tuple[int, ...], body: Callable[[int, ir.Value], None]) -> None:
        """Cut `count` into blocks, as many of the first size as fit, then of the next; body(size, start) emits each."""
        done = self.index(0)
        for size in sizes:
            blocks = self.builder.udiv(self.builder.sub(self.index(count), done), self.index(size))
            with self.loop(blocks) as i:
                body(size, self.place(done, (i, size)))
            done = self.place(done, (blocks, size))


class Numbers:
    """An array beside the memory that a kernel reads one number at a time: indices, or values of pixels."""

    def __init__(self, emitter: Emitter, kind: Any, value: ir.Value, context: Any) -> None:
        self.emitter, self.kind = emitter, kind.dtype
        self.data = context.make_array(kind)(context, emitter.builder, value=value).data

    def _at(self, place: tuple[Place, ...]) -> ir.Value:
        return self.emitter.builder.load(self.emitter.builder.gep(self.data, [self.emitter.place(*place)]))

    def whole(self, *place: Place) -> ir.Value:
        """An unsigned integer, as an index."""
        value = self._at(place)
        return value if value.type.width == INDEX.width else self.emitter.builder.zext(value, INDEX)

    def brightness(self, table: Place, *place: Place) -> ir.Value:
        """A pixel's value, 0 to 1: a byte by the memory's table of 256 numbers, a float as it is."""
        if isinstance(self.kind, types.Float):
            return self._at(place)
        return self.emitter.scalar(table, self.whole(*place))


def kernel(emit: Callable[..., None], lanes: int = LANES) -> Any:
    """Make emit(emitter, *places) a function name(memory, (places...)) for compiled code."""

    @intrinsic
    def call(typing: Any, memory: Any, places: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> ir.Value:
            emitter = Emitter(builder, context.make_array(memory)(context, builder, value=given[0]).data, lanes)
            emit(emitter, *indices(builder, given[1]))
            return context.get_dummy_value()

        return types.void(memory, places), generate

    return call


def kernel_of(emit: Callable[..., None], lanes: int = LANES) -> Any:
    """Make emit(emitter, [Numbers], *places) a function name(memory, (arrays...), (places...)) for compiled code."""

    @intrinsic
    def call(typing: Any, memory: Any, arrays: Any, places: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> ir.Value:
            emitter = Emitter(builder, context.make_array(memory)(context, builder, value=given[0]).data, lanes)
            values = cgutils.unpack_tuple(builder, given[1])
            numbers = [Numbers(emitter, kind, value, context) for kind, value in zip(arrays, values, strict=True)]
            emit(emitter, numbers, *indices(builder, given[2]))
            return context.get_dummy_value()

        return types.void(memory, arrays, places), generate

    return call


def indices(builder: ir.IRBuilder, places: ir.Value) -> list[ir.Value]:
    """The integers of a tuple, widened to indices."""
    return [
        builder.sext(place, INDEX) if place.type.width < INDEX.width else place
        for place in cgutils.unpack_tuple(builder, places)
    ]


@intrinsic
def brighten(typing: Any, memory: Any, pixels: Any, places: Any) -> Any:
    """Write 16 pixels into the memory as numbers from 0 to 1: brighten(memory, pixels, (to, from)).

    Bytes are divided by 255, floats are that already.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, given: Any) -> ir.Value:
        emitter = Emitter(builder, context.make_array(memory)(context, builder, value=given[0]).data, LANES)
        data = context.make_array(pixels)(context, builder, value=given[1]).data
        to, at = indices(builder, given[2])
        kind = ir.VectorType(data.type.pointee, LANES)
        value = builder.load(builder.bitcast(builder.gep(data, [at]), kind.as_pointer()), align=1)
        if isinstance(pixels.dtype, types.Float):
            brightness = Vector(emitter, value)
        else:
            brightness = Vector(emitter, builder.uitofp(value, emitter.kind)) / emitter.number(255)
        emitter.store(brightness, to)
        return context.get_dummy_value()

    return types.void(memory, pixels, places), generate
