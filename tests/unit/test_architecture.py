# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house (CONTRIBUTING.md) as code. Each finding names the file, the line and the remedy.

A rule is a function from a source file to findings. Every rule is tried twice: on all files of the collection, where it
must find nothing, and on a small example that breaks it, where it must find something.
"""

from __future__ import annotations

import ast
import graphlib
import pathlib
import re
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
UTILS = "plugins/module_utils/"
FRAME = UTILS + "_ansible.py"
LIBVIRT_DOOR = UTILS + "_libvirt.py"
XML_DOOR = UTILS + "_xml/document.py"
WAIT = UTILS + "_wait.py"

MODULE_LINES, HELPER_LINES, FUNCTION_LINES = 80, 350, 60

HEADER = (
    "# Copyright: metal.kvm contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)

Finding = tuple[int, str]
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Source:
    """A Python file of the collection: its path from the root, its text and its tree."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.tree = ast.parse(text, path)

    def __repr__(self) -> str:
        return self.path

    @property
    def is_module(self) -> bool:
        return self.path.startswith("plugins/modules/")

    @property
    def is_util(self) -> bool:
        return self.path.startswith(UTILS)

    def walk(self, *kinds: type) -> t.Iterator[t.Any]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def functions(self) -> t.Iterator[t.Any]:
        return self.walk(*Function)

    def imports(self) -> t.Iterator[tuple[int, str, bool]]:
        """Line, full name, and whether it was written relatively, of everything imported, at any depth."""
        package = list(pathlib.PurePosixPath(self.path).parent.parts)
        for node in self.walk(ast.Import, ast.ImportFrom):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name, False
                continue
            base = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = ".".join(["ansible_collections.metal.kvm", *above, *([base] if base else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}", bool(node.level)

    def lines_after_docs(self) -> int:
        """Lines from the first statement after the docs blocks on."""
        docs = [
            node.end_lineno
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ]
        return len(self.lines) - max(docs, default=0)


def starts(name: str, *prefixes: str) -> bool:
    """Whether a dotted name is one of the prefixes or within it."""
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def libvirt_has_one_door(source: Source) -> t.Iterator[Finding]:
    if source.path != LIBVIRT_DOOR:
        for line, name, _relative in source.imports():
            if starts(name, "libvirt", "libvirt_qemu", "libvirtmod"):
                yield (
                    line,
                    f"imports {name}: only {LIBVIRT_DOOR} talks to libvirt; ask its World, or add what's missing there",
                )


def xml_has_one_door(source: Source) -> t.Iterator[Finding]:
    if source.path != XML_DOOR:
        for line, name, _relative in source.imports():
            if starts(name, "lxml", "xml", "defusedxml", "xmltodict", "bs4"):
                yield line, f"imports {name}: only {XML_DOOR} parses XML; use its functions"


def programs_have_one_door(source: Source) -> t.Iterator[Finding]:
    if source.is_util or source.is_module:
        for line, name, _relative in source.imports():
            if starts(name, "subprocess", "pty", "asyncio"):
                yield line, f"imports {name}: programs are run by {UTILS}_command.py alone; use its run"
        for node in source.walk(ast.Attribute):
            if re.fullmatch(r"os\.(popen|system|exec\w+|(posix_)?spawn\w*|fork)", ast.unparse(node)):
                yield node.lineno, f"{ast.unparse(node)}: programs are run by {UTILS}_command.py alone; use its run"


def waiting_has_one_way(source: Source) -> t.Iterator[Finding]:
    if (source.is_util or source.is_module) and source.path != WAIT:
        for node in source.walk(ast.Attribute, ast.ImportFrom):
            if ast.unparse(node) in ("time.sleep", "from time import sleep"):
                yield node.lineno, f"sleeps: use until or retry of {WAIT}"


def ansible_has_one_door(source: Source) -> t.Iterator[Finding]:
    if source.path != FRAME:
        for line, name, _relative in source.imports():
            if starts(name, "ansible.module_utils.basic"):
                yield (
                    line,
                    f"imports {name}: only {FRAME} uses AnsibleModule; call its run_module, run_info, ...",
                )


def frame_alone_leaves(source: Source) -> t.Iterator[Finding]:
    if source.path == FRAME:
        return
    for node in source.walk(ast.Attribute, ast.Name, ast.arg):
        name = {ast.Attribute: "attr", ast.Name: "id", ast.arg: "arg"}[type(node)]
        word = getattr(node, name)
        if word in ("check_mode", "exit_json", "fail_json"):
            yield (
                node.lineno,
                f"{word}: only {FRAME} knows it; make a Plan for what shall be done, raise KvmError for what can't",
            )


def helpers_never_see_the_module(source: Source) -> t.Iterator[Finding]:
    if not source.is_util or source.path == FRAME:
        return
    for function in source.functions():
        for argument in arguments(function):
            kernel_module = isinstance(argument.annotation, ast.Name) and argument.annotation.id == "str"
            if argument.arg == "module" and not kernel_module:
                yield (
                    argument.lineno,
                    f"{function.name} takes a module: pass the values that it needs (a kernel module is a str)",
                )


def pure_rooms_stay_pure(source: Source) -> t.Iterator[Finding]:
    pure = ("_plan.py", "_run.py", "_xml/", "_host/")
    if not source.is_util or not source.path[len(UTILS) :].startswith(pure):
        return
    utils = "ansible_collections.metal.kvm.plugins.module_utils"
    for line, name, _relative in source.imports():
        if starts(name, "ansible", "libvirt", f"{utils}._ansible", f"{utils}._libvirt", f"{utils}._objects"):
            yield (
                line,
                f"imports {name}: this room is pure; let the caller in _objects fetch what it needs and pass it in",
            )


def imports_go_down(source: Source) -> t.Iterator[Finding]:
    """Modules name the collection in full, helpers are relative; nobody imports a module, no helper the frame."""
    utils = "ansible_collections.metal.kvm.plugins.module_utils"
    for line, name, relative in source.imports():
        if name.startswith("ansible_collections.metal.kvm.plugins.modules"):
            yield line, f"imports {name}: what two modules share belongs in {UTILS}"
        if source.is_module and relative:
            yield line, "relative import: a module names the collection in full (ansible_collections.metal.kvm...)"
        if source.is_util and not relative and name.startswith("ansible_collections.metal.kvm"):
            yield line, "absolute import: within module_utils imports are relative (from .._plan import Plan)"
        if source.is_util and starts(name, f"{utils}._ansible"):
            yield line, "imports the frame: the frame calls the helpers, never the other way"
        if name.startswith("ansible_collections.") and not name.startswith("ansible_collections.metal.kvm"):
            yield line, f"imports {name}: the collection needs no other collection at run time"


def modules_are_short(source: Source) -> t.Iterator[Finding]:
    if source.is_module and source.lines_after_docs() > MODULE_LINES:
        yield (
            len(source.lines),
            f"{source.lines_after_docs()} lines after the docs, at most {MODULE_LINES}: the logic belongs in {UTILS}",
        )


def helpers_are_rooms_not_halls(source: Source) -> t.Iterator[Finding]:
    if not source.is_module and len(source.lines) > HELPER_LINES:
        yield (
            len(source.lines),
            f"{len(source.lines)} lines, at most {HELPER_LINES}: look for the missing row or the missing room",
        )


def functions_are_short(source: Source) -> t.Iterator[Finding]:
    for function in source.functions():
        length = function.end_lineno - function.lineno + 1
        if length > FUNCTION_LINES:
            yield function.lineno, f"{function.name} has {length} lines, at most {FUNCTION_LINES}: name its parts"


def arguments(function: t.Any) -> list[ast.arg]:
    spec = function.args
    plain = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return plain + [one for one in (spec.vararg, spec.kwarg) if one is not None]


def everything_is_typed(source: Source) -> t.Iterator[Finding]:
    for function in source.functions():
        untyped = [one.arg for one in arguments(function) if one.annotation is None and one.arg not in ("self", "cls")]
        if function.returns is None:
            untyped.append("what it returns")
        if untyped:
            yield function.lineno, f"{function.name}: no type for {', '.join(untyped)}"


def worlds_are_typed(source: Source) -> t.Iterator[Finding]:
    if source.is_util:
        for function in source.functions():
            arguments = [*function.args.args, *function.args.kwonlyargs]
            for argument in arguments:
                if argument.arg == "world" and argument.annotation and "Any" in ast.unparse(argument.annotation):
                    yield (
                        argument.lineno,
                        f"{function.name}: annotate world with World of {LIBVIRT_DOOR}, so that mypy checks it",
                    )


def names_are_nouns_of_the_trade(source: Source) -> t.Iterator[Finding]:
    vague = re.compile(r"Manager$|[Hh]elper|utils?$|^_*(?:handle|do)_")  # systemd's service_manager is a noun
    for node in source.walk(ast.ClassDef, *Function):
        if vague.search(node.name):
            yield node.lineno, f"{node.name}: says nothing; take libvirt's or KVM's own noun, or the verb that is meant"
    if vague.search(pathlib.PurePosixPath(source.path).stem):
        yield 1, "the file's name says nothing; take libvirt's or KVM's own noun"


def files_say_what_they_are(source: Source) -> t.Iterator[Finding]:
    head = source.lines[1:4] if source.is_module else source.lines[:3]
    if tuple(head) != HEADER or (source.is_module and source.lines[0] != "#!/usr/bin/python"):
        yield 1, "header: copyright, licence and SPDX line, as in the other files (modules: #!/usr/bin/python before)"
    if source.lines and "from __future__ import annotations" not in source.lines:
        yield 1, "add `from __future__ import annotations`: the floor is Python 3.9"
    if not source.is_module and ast.get_docstring(source.tree) is None:
        yield 1, "add a docstring: what the file is, in a line"


EXAMPLE = "\n".join((*HEADER, '"""A file."""', "from __future__ import annotations", ""))


def example(body: str, path: str = UTILS + "_objects/example.py") -> Source:
    return Source(path, EXAMPLE + body)


# Each rule, and examples that break it.
RULES: list[tuple[t.Callable[[Source], t.Iterator[Finding]], list[Source]]] = [
    (
        libvirt_has_one_door,
        [
            example("import libvirt"),
            example("def read() -> None:\n    from libvirt import open as connect"),
            example("import libvirt_qemu", "plugins/modules/example.py"),
        ],
    ),
    (
        xml_has_one_door,
        [example("from lxml import etree"), example("import xml.etree.ElementTree as ET", UTILS + "_xml/rows.py")],
    ),
    (
        programs_have_one_door,
        [
            example("import subprocess"),
            example("from subprocess import run", "plugins/modules/example.py"),
            example("import os\nos.system('true')"),
        ],
    ),
    (
        waiting_has_one_way,
        [example("import time\ntime.sleep(1)"), example("from time import sleep")],
    ),
    (
        ansible_has_one_door,
        [
            example("from ansible.module_utils.basic import AnsibleModule", "plugins/modules/example.py"),
            example("import ansible.module_utils.basic"),
        ],
    ),
    (
        frame_alone_leaves,
        [
            example("x.exit_json()"),
            example("if params.check_mode: pass"),
            example("def plan(check_mode: bool) -> None: ..."),
        ],
    ),
    (
        helpers_never_see_the_module,
        [example("def read(module) -> None: ..."), example("def read(*, module: AnsibleModule) -> None: ...")],
    ),
    (
        pure_rooms_stay_pure,
        [
            example("from .. import _libvirt", UTILS + "_host/example.py"),
            example("from .._objects import life", UTILS + "_xml/example.py"),
            example("from ansible.module_utils.common.text import converters", UTILS + "_plan.py"),
            example("def f() -> None:\n    from ._libvirt import World", UTILS + "_plan.py"),
        ],
    ),
    (
        imports_go_down,
        [
            example("from ..modules import domain", UTILS + "example.py"),
            example("from ..module_utils import _plan", "plugins/modules/example.py"),
            example("from ansible_collections.metal.kvm.plugins.module_utils import _plan"),
            example("from ..._ansible import run_module", UTILS + "_objects/domain/example.py"),
            example("from ansible_collections.community.general.plugins import x"),
        ],
    ),
    (modules_are_short, [example('DOCUMENTATION = "docs"\n' + "x = 1\n" * 81, "plugins/modules/example.py")]),
    (helpers_are_rooms_not_halls, [example("x = 1\n" * 351)]),
    (functions_are_short, [example("def f() -> None:\n" + "    x = 1\n" * 60)]),
    (
        everything_is_typed,
        [
            example("def f(x) -> None: ..."),
            example("def f(x: int): ..."),
            example("class C:\n    def f(self, *more) -> None: ..."),
        ],
    ),
    (worlds_are_typed, [example("def f(world: t.Any) -> None: ...")]),
    (
        names_are_nouns_of_the_trade,
        [
            example("class DomainManager: ..."),
            example("def handle_disk() -> None: ..."),
            example("def _do_it() -> None: ..."),
            example("", UTILS + "utils.py"),
        ],
    ),
    (
        files_say_what_they_are,
        [
            Source(UTILS + "example.py", '"""A file."""\nfrom __future__ import annotations\n'),
            Source(UTILS + "example.py", "\n".join((*HEADER, '"""A file."""', "x = 1"))),
            Source(UTILS + "example.py", "\n".join((*HEADER, "from __future__ import annotations"))),
            example("", "plugins/modules/example.py"),
        ],
    ),
]


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    """Every Python file below plugins."""
    files = sorted((ROOT / "plugins").rglob("*.py"))
    return [Source(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files]


@pytest.mark.parametrize("rule", [rule for rule, broken in RULES], ids=lambda rule: rule.__name__)
def test_rule_is_kept(rule: t.Callable[[Source], t.Iterator[Finding]], sources: list[Source]) -> None:
    assert len(sources) > 10
    findings = [f"{source.path}:{line}: {text}" for source in sources for line, text in rule(source)]
    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        pytest.param(rule, source, id=f"{rule.__name__}-{n}")
        for rule, broken in RULES
        for n, source in enumerate(broken)
    ],
)
def test_rule_finds_what_breaks_it(rule: t.Callable[[Source], t.Iterator[Finding]], broken: Source) -> None:
    assert list(rule(broken))


def circle(sources: t.Iterable[Source]) -> list[str]:
    """Files that import each other in a circle, at any depth; what only types are imported for doesn't count."""
    files = {f"ansible_collections.metal.kvm.{source.path[:-3].replace('/', '.')}": source for source in sources}
    graph: dict[str, set[str]] = {}
    for name, source in files.items():
        for_types = {
            line
            for node in source.walk(ast.If)
            if ast.unparse(node.test) == "t.TYPE_CHECKING"
            for line in range(node.lineno, node.body[-1].lineno + 1)
        }
        wanted = [imported for line, imported, _relative in source.imports() if line not in for_types]
        graph[name] = {one if one in files else one.rpartition(".")[0] for one in wanted} & set(files)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def test_nothing_is_imported_in_a_circle(sources: list[Source]) -> None:
    assert circle(sources) == []


def test_a_circle_is_found() -> None:
    one = example("def f() -> None:\n    from .other import g", UTILS + "one.py")
    assert circle([one, example("from . import one", UTILS + "other.py")])
    assert circle([one, example("if t.TYPE_CHECKING:\n    from . import one", UTILS + "other.py")]) == []


@pytest.mark.parametrize("path", [LIBVIRT_DOOR, XML_DOOR, FRAME])
def test_doors_are_where_the_rules_say(path: str) -> None:
    wanted = {LIBVIRT_DOOR: "libvirt", XML_DOOR: "lxml", FRAME: "ansible.module_utils.basic"}[path]
    source = Source(path, (ROOT / path).read_text(encoding="utf-8"))
    assert any(starts(name, wanted) for line, name, relative in source.imports())


# Modules, their docs and the action group


def documented(path: pathlib.Path) -> dict[str, t.Any]:
    """The module's DOCUMENTATION."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            return t.cast(dict[str, t.Any], yaml.safe_load(ast.literal_eval(node.value)))
    return {}


MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))


def test_action_group_has_every_module_that_connects() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    group = set(runtime["action_groups"]["libvirt"])
    connecting = set()
    for path in MODULES:
        docs = documented(path)
        if "uri" in docs.get("options", {}) or "metal.kvm._connection" in docs.get(
            "extends_documentation_fragment", []
        ):
            connecting.add(path.stem)
    assert group == connecting, (
        f"meta/runtime.yml: add {sorted(connecting - group)}, take out {sorted(group - connecting)}"
        " (a module connects if it has the option uri or the fragment _connection)"
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_has_the_fragments_of_its_kind(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    fragments = set(documented(path).get("extends_documentation_fragment", []))
    local, info = "run_local" in text, "run_info(" in text or "run_local_info(" in text
    wanted = {"metal.kvm._attributes.info_module" if info else "metal.kvm._attributes"}
    if not local:
        wanted |= {"metal.kvm._connection", "metal.kvm._attributes.action_group"}
    assert wanted <= fragments, f"{path.name}: extends_documentation_fragment lacks {sorted(wanted - fragments)}"


# Roles

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def yaml_of(path: pathlib.Path) -> dict[str, t.Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.exists() else {}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_defaults_are_documented(role: pathlib.Path) -> None:
    options = yaml_of(role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options", {})
    defaults = yaml_of(role / "defaults" / "main.yml")
    findings = [f"defaults/main.yml: {name} is not in meta/argument_specs.yml" for name in set(defaults) - set(options)]
    for name, option in options.items():
        said, real = option.get("default"), defaults.get(name)
        if said != real:
            findings.append(f"meta/argument_specs.yml: {name} has default {said!r}, defaults/main.yml says {real!r}")
        if not name.startswith(f"{role.name}_"):
            findings.append(f"meta/argument_specs.yml: {name} doesn't begin with {role.name}_")
    assert not findings, "\n" + "\n".join(f"roles/{role.name}/{finding}" for finding in findings)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_is_whole(role: pathlib.Path) -> None:
    missing = [name for name in ("README.md", "tasks/main.yml", "meta/main.yml") if not (role / name).is_file()]
    assert not missing, f"roles/{role.name}: add {', '.join(missing)}"
