"""The loss, whether the answer is right, and the slope of the loss, for 16 images at once."""

from dropnet_core.engines.kernels.vectors import INT32, Emitter, Place, Vector, ir, kernel

ROUNDS = 12582912.0  # 1.5 * 2 ** 23: a small number added to it is rounded to a whole one, which its last bits hold
ROUNDS_BITS = 0x4B400000
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4  # whose sum is ln 2
EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
"""The polynomials of Cephes' expf and logf."""
LOWEST_EXPONENT = -87.0  # whose exponential is the smallest normal float, nearly
HALF_ROOT_BITS = 0x3F3504F3  # of the root of a half


def polynomial(emitter: Emitter, coefficients: tuple[float, ...], x: Vector) -> Vector:
    """The polynomial's value, by Horner's rule; the coefficient of the highest power comes first."""
    value = emitter.number(coefficients[0])
    for coefficient in coefficients[1:]:
        value = emitter.fma(value, x, emitter.number(coefficient))
    return value


def exponential(emitter: Emitter, x: Vector) -> Vector:
    """e ** x for x <= 0, as 2 ** n * e ** r with a whole n and |r| <= ln 2 / 2."""
    builder = emitter.builder
    x = x.at_least(emitter.number(LOWEST_EXPONENT))
    shifted = emitter.fma(x, emitter.number(1.44269504088896341), emitter.number(ROUNDS))
    n = shifted - emitter.number(ROUNDS)
    r = emitter.fma(n, emitter.number(-LN2_HIGH), x)
    r = emitter.fma(n, emitter.number(-LN2_LOW), r)
    value = emitter.fma(polynomial(emitter, EXP, r), r * r, r + emitter.number(1.0))
    exponent = builder.add(builder.sub(emitter.bits(shifted), emitter.all_lanes(ROUNDS_BITS)), emitter.all_lanes(127))
    return value * emitter.of_bits(builder.shl(exponent, emitter.all_lanes(23)))


def logarithm(emitter: Emitter, x: Vector) -> Vector:
    """ln x for x >= 1, as n * ln 2 + ln(1 + r) with 1 + r between the roots of 1/2 and 2."""
    builder = emitter.builder
    beyond = builder.sub(emitter.bits(x), emitter.all_lanes(HALF_ROOT_BITS))
    n = Vector(emitter, builder.sitofp(builder.ashr(beyond, emitter.all_lanes(23)), emitter.kind))
    mantissa = builder.add(builder.and_(beyond, emitter.all_lanes(0x7FFFFF)), emitter.all_lanes(HALF_ROOT_BITS))
    r = emitter.of_bits(mantissa) - emitter.number(1.0)
    square = r * r
    value = polynomial(emitter, LOG, r) * r * square
    value = emitter.fma(n, emitter.number(LN2_LOW), value)
    value = emitter.fma(square, emitter.number(-0.5), value)
    value = emitter.fma(n, emitter.number(LN2_HIGH), r + value)
    return value + (x - x)  # the bits of what is no number would give some number


def softmax(
    emitter: Emitter, logits: Place, row: Place, labels: Place, scale: Place, classes: Place, slopes: Place, out: Place
) -> None:
    """For 16 images, whose logits (classes, 16) lie in rows `row` apart, as their slopes do.

    slopes  scale * (softmax(logits) - 1 at the label), (classes, 16); 0 for an image whose label is -1
    out     the losses (16) and, `row` behind them, 1 where the largest logit, the first of equals, is the label's; a
            logit that is no number is never the largest, but makes the loss none
    """
    zero, one = emitter.number(0.0), emitter.number(1.0)
    label, rate = emitter.load(labels), emitter.spread(scale)
    first = emitter.load(logits)
    largest, answer, chosen, total = (emitter.variable(v) for v in (first, zero, zero, zero))
    with emitter.loop(classes) as k:
        value, number = emitter.load(logits, (k, row)), class_number(emitter, k)
        emitter.set(answer, value.where(">", emitter.get(largest), number, emitter.get(answer)))
        emitter.set(largest, value.where(">", emitter.get(largest), value, emitter.get(largest)))
        emitter.set(chosen, label.where("==", number, value, emitter.get(chosen)))
    with emitter.loop(classes) as k:
        value = exponential(emitter, emitter.load(logits, (k, row)) - emitter.get(largest))
        emitter.store(value, slopes, (k, row))
        emitter.set(total, emitter.get(total) + value)
    with emitter.loop(classes) as k:
        share = emitter.load(slopes, (k, row)) / emitter.get(total)
        slope = (share - label.where("==", class_number(emitter, k), one, zero)) * rate
        emitter.store(label.where(">=", zero, slope, zero), slopes, (k, row))
    emitter.store(logarithm(emitter, emitter.get(total)) - (emitter.get(chosen) - emitter.get(largest)), out)
    emitter.store(emitter.get(answer).where("==", label, one, zero), out, row)


def class_number(emitter: Emitter, k: ir.Value) -> Vector:
    """A class as a float in all lanes."""
    return emitter.splat(emitter.builder.sitofp(emitter.builder.trunc(k, INT32), ir.FloatType()))


softmax16 = kernel(softmax)
"""softmax16(memory, (logits, row, labels, scale, classes, slopes, out))"""
