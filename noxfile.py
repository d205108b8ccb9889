# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check as a session that can be run alone: `.venv/bin/nox -l` lists them, `.venv/bin/nox -s unit` runs one.

Sessions use .venv (made by `make setup`), whose interpreter can load the distribution's libvirt and lxml. A session
that can't live there makes an environment of its own below .nox.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import nox

ROOT = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent
NOX = ROOT / ".nox"
COLLECTIONS = ROOT / ".build" / "collections"

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "unit"]


def run(session: nox.Session, tool: str, *arguments: str, **environment: str) -> None:
    """Run a tool of .venv, with .venv first on the path and the collection where ansible looks for it."""
    session.run(
        str(BIN / tool),
        *arguments,
        env={
            "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)]),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            **environment,
        },
        external=True,
    )


@nox.session
def format(session: nox.Session) -> None:
    """Write: Python in the one style, and what ruff can mend."""
    run(session, "ruff", "check", "--fix-only", "--quiet", ".")
    run(session, "ruff", "format", ".")


@nox.session
def docs(session: nox.Session) -> None:
    """Write: option docs from the tables, and the changelog from its fragments."""
    run(session, "python", "tools/docs.py")


@nox.session(tags=["static"])
def lint(session: nox.Session) -> None:
    """Check the style of Python, YAML and shell, and that no function of the collection is too complex."""
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "yamllint", "--strict", ".")
    run(session, "python", "tools/complexity.py")
    session.run("shellcheck", "tools/bootstrap", ".ci/run", external=True)


@nox.session(tags=["static"])
def types(session: nox.Session) -> None:
    """Check types: everything below plugins and tools is annotated."""
    run(session, "mypy", "-p", "ansible_collections.metal.kvm.plugins")
    run(session, "mypy", "tools", "noxfile.py")


@nox.session(tags=["static"])
def docs_check(session: nox.Session) -> None:
    """Check that generated docs are not stale, that all docs are well formed, and that fragments are."""
    run(session, "python", "tools/docs.py", "--check")
    run(session, "antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", ".")
    run(session, "antsibull-changelog", "lint")
    run(session, "antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")


@nox.session(tags=["static"])
def ansible_lint(session: nox.Session) -> None:
    """Check roles and playbooks with ansible-lint, profile production."""
    run(session, "ansible-lint", "--offline", *session.posargs)


@nox.session(tags=["static"])
def sanity(session: nox.Session) -> None:
    """Run ansible-test sanity on every Python from 3.9 up that is found."""
    run(session, "python", "tools/sanity.py", str(BIN / "python"), *session.posargs)


@nox.session
def sanity_newest(session: nox.Session) -> None:
    """Run ansible-test sanity with the ansible-core that the newest Python found can hold."""
    sys.path.insert(0, str(ROOT / "tools"))
    from sanity import pythons

    version, python = list(pythons().items())[-1]
    if version < "3.12":
        session.skip(f"the newest Python found is {version}; what it can hold is what the session sanity uses")
    place = NOX / "core"
    session.run(str(python), "-m", "venv", "--clear", str(place), external=True)
    session.run(str(place / "bin" / "python"), "-m", "pip", "install", "-q", "ansible-core", external=True, silent=True)
    run(session, "python", "tools/sanity.py", str(place / "bin" / "python"), *session.posargs)


@nox.session(tags=["static"])
def package(session: nox.Session) -> None:
    """Build the collection's archive and let Galaxy's importer look at it. The archive is left in dist."""
    place = NOX / "package"
    run(session, "python", "tools/tree.py", str(place / "tree"))
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    tree = place / "tree" / "ansible_collections" / "metal" / "kvm"
    run(session, "ansible-galaxy", "collection", "build", "--output-path", str(ROOT / "dist"), str(tree))
    importer = place / "importer"  # an environment of its own: it wants older libraries than nox does
    if not (importer / "bin" / "ansible").exists():
        session.run(str(BIN / "python"), "-m", "venv", "--clear", str(importer), external=True)
        session.run(
            *(str(importer / "bin" / "python"), "-m", "pip", "install", "-q", "-r", "tools/requirements/package.txt"),
            external=True,
            silent=True,
        )
    (archive,) = (ROOT / "dist").glob("*.tar.gz")
    path = os.pathsep.join([str(importer / "bin"), os.environ.get("PATH", os.defpath)])
    with session.chdir(ROOT / "dist"):
        said = session.run(
            *(str(importer / "bin" / "python"), "-m", "galaxy_importer.main", archive.name),
            env={"PATH": path},
            external=True,
            silent=True,
        )
    session.log(str(said))
    if "WARNING:" in str(said) or "ERROR:" in str(said):
        session.error("Galaxy's importer has something to say (above)")


@nox.session
def unit(session: nox.Session) -> None:
    """Pure tests, and tests on libvirt's own test driver."""
    run(session, "python", "-m", "pytest", *(session.posargs or ["tests/unit"]))


# What needs this machine itself, or makes hosts of its own.
MACHINE = [f"tests/integration/test_{name}.py" for name in ("demo", "first_steps", "graphical", "host_bridge", "roles")]


# Guests that boot Debian, and tests that wait for each other: as long as the rest, so that two lanes can share them.
GUESTS = [
    f"tests/integration/test_{name}.py"
    for name in ("acts_interrupted", "at_once", "cloud_init", "domain_install", "guest_role", "restart_undone")
]

# What is generated: the suite runs a part of it, another one each day (tests/integration/sample.py).
WHOLE = [
    *(f"tests/integration/test_{name}.py" for name in ("acts_interrupted", "any_domain", "live_pairs", "transitions")),
    *(f"tests/integration/test_{name}.py" for name in ("sequences", "transitions_of_others", "values")),
    "tests/integration/test_live_of_domain.py::test_a_change_at_once_is_undone",
]


@nox.session
def integration(session: nox.Session) -> None:
    """Every module against a real libvirtd and QEMU."""
    others = [
        *(f"--ignore={path}" for path in (*MACHINE, *GUESTS)),
        "--ignore-glob=*/test_kernel_*.py",
    ]  # those: molecule_all
    run(session, "python", "tests/integration/apart.py", *(session.posargs or [*others, "tests/integration"]))


@nox.session
def guests(session: nox.Session) -> None:
    """Installations, cloud-init, acts that are broken off, and many runs at once, against a real libvirtd and QEMU."""
    run(session, "python", "tests/integration/apart.py", *(session.posargs or GUESTS))


@nox.session
def mutants(session: nox.Session) -> None:
    """Whether the pure tests notice when planning goes wrong: 100 random changes of its code, 90 of which must be seen."""
    run(session, "python", "tools/mutants.py", *session.posargs)


@nox.session
def whole(session: nox.Session) -> None:
    """The generated tests of which the suite runs another part each day, whole."""
    files = session.posargs or WHOLE
    run(session, "python", "tests/integration/apart.py", *files, METAL_KVM_WHOLE="1")


@nox.session
def machine(session: nox.Session) -> None:
    """The demo on this machine; roles, bridges and graphical control on hosts made for them."""
    run(session, "python", "-m", "pytest", *(session.posargs or MACHINE))


@nox.session
def molecule(session: nox.Session) -> None:
    """A Debian 12 machine with AMD-V, made for it, becomes a KVM host and boots nested guests."""
    if not session.posargs:
        run(session, "molecule", "reset")  # forget what a run that was cut off believed to be there
    run(session, "molecule", *(session.posargs or ["test"]))


@nox.session
def molecule_all(session: nox.Session) -> None:
    """All scenarios, on Debian 12 and 13."""
    run(session, "molecule", "reset")
    run(session, "molecule", "test", "--all", METAL_KVM_MACHINES="machines")


@nox.session
def newer(session: nox.Session) -> None:
    """Every option of a domain on the libvirt and QEMU of Debian 13, in a tree of that system."""
    run(session, "python", "tools/newer.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What a task costs, in milliseconds and in pings."""
    run(session, "python", "tests/benchmarks/run.py", *session.posargs)
