"""pyproject.toml, constraints.txt, environment.yml, Makefile and CITATION.cff say the same."""

import re
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project_folders import ROOT

from dropnet_core.basics.version import VERSION

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONSTRAINTS = [
    line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")
]


def requirements() -> list[str]:
    project = PROJECT["project"]
    return project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]


def disagreements(ranges: Iterable[str], pins: Iterable[str]) -> list[str]:
    """Complaints about direct requirements that no pin satisfies, and about pins that are not exact."""
    versions, complaints = {}, []
    for line in pins:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9A-Za-z.]+)", line)  # no "+cpu", no address, no -e
        if match is None:
            complaints.append(f"not an exact public version: {line}")
        elif canonicalize_name(match[1]) in versions:
            complaints.append(f"pinned twice: {match[1]}")
        else:
            versions[canonicalize_name(match[1])] = match[2]
    for line in ranges:
        requirement = Requirement(line)
        version = versions.get(canonicalize_name(requirement.name))
        if version is None:
            complaints.append(f"not pinned: {line}")
        elif version not in requirement.specifier:
            complaints.append(f"the pin {version} is outside {line}")
    return complaints


def test_each_direct_requirement_is_pinned_within_its_range() -> None:
    assert disagreements(requirements(), CONSTRAINTS) == []


@pytest.mark.parametrize(
    ("ranges", "pins", "complaint"),
    [
        (["numpy>=2"], [], "not pinned: numpy>=2"),
        (["numpy>=2"], ["numpy==1.26.4"], "the pin 1.26.4 is outside numpy>=2"),
        (["torch"], ["torch==2.13.0+cpu"], "not an exact public version: torch==2.13.0+cpu"),
        (["torch"], ["torch>=2.13.0"], "not an exact public version: torch>=2.13.0"),
        (["PyYAML"], ["PyYAML==6.0.3", "pyyaml==6.0.2"], "pinned twice: pyyaml"),
    ],
)
def test_a_disagreement_is_named(ranges: list[str], pins: list[str], complaint: str) -> None:
    assert complaint in disagreements(ranges, pins)


def test_conda_and_make_install_the_same_extras_under_the_same_constraints() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    (pip,) = (entry["pip"] for entry in environment if isinstance(entry, dict))
    assert pip == ["-c constraints.txt", "-e .[book,test]"]
    (python,) = (entry.partition("=")[2] for entry in environment if str(entry).startswith("python="))
    assert python in Requirement("python" + PROJECT["project"]["requires-python"]).specifier
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert " ".join(pip).replace(".[book,test]", "'.[book,test]'") in makefile
    assert set(PROJECT["project"]["optional-dependencies"]) == {"book", "test", "onnx", "test-all"}
    assert "-c constraints.txt -e '.[book,test,onnx,test-all]'" in makefile  # for make test-all


def test_torch_has_no_upper_bound() -> None:
    (torch,) = (Requirement(line) for line in requirements() if Requirement(line).name == "torch")
    assert "2.11.0" in torch.specifier and "99" in torch.specifier


def test_packages_and_their_data_are_shipped() -> None:
    package = ROOT / "dropnet_core"
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert files
    for folder in {path.parent for path in files if path.suffix == ".py"}:
        assert (folder / "__init__.py").exists(), f"{folder} would not be shipped without an __init__.py"
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["dropnet_core"]
    data = [path.relative_to(package).as_posix() for path in files if path.suffix != ".py"]
    assert [name for name in data if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_the_version_is_the_same_everywhere() -> None:
    assert VERSION == PROJECT["project"]["version"]


def test_citation_agrees_with_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert str(citation["version"]) == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["authors"] == PROJECT["project"]["authors"]


def test_readme_names_the_commands_that_continuous_integration_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in ("make test", "make book"):
        assert command in readme
        assert re.search(rf"^{command}$", script, re.MULTILINE)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)\b", readme, re.MULTILINE)) <= targets
