# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame around every module: the only file that knows AnsibleModule, check mode, results and failure."""

from __future__ import annotations

import gc
import typing as t

from ansible.module_utils.basic import AnsibleModule

from . import _archive

_archive.use(__package__ or "")  # before the others are imported: they come from where it says
gc.freeze()  # Ansible's own objects stay: not to be searched for garbage at each import

from . import _command  # noqa: E402
from ._plan import KvmError, Operations, Plan  # noqa: E402

CONNECTION_SPEC: dict[str, t.Any] = {"uri": {"type": "str", "default": "qemu:///system"}}

Params = dict[str, t.Any]


def run_module(
    make_plan: t.Callable[[t.Any, Params], Plan],
    argument_spec: dict[str, t.Any],
    operations: t.Callable[[], Operations],
    describe: t.Callable[[t.Any, Params], t.Any],
    secrets: t.Optional[t.Callable[[Params], t.Iterable[str]]] = None,
    **rules: t.Any,
) -> None:
    """A module that converges one of libvirt's objects.

    ``make_plan(world, params)`` decides; ``operations()`` names what steps can do (asked for only if there are steps);
    ``describe(world, params)`` is the object after the run, in the shape of its ``_info`` module; ``secrets(params)``
    finds secret values that no option of type ``no_log`` covers.
    """
    answer = _Answer(argument_spec, CONNECTION_SPEC, rules, secrets)
    with answer:
        answer.converge(answer.world(), make_plan, operations, describe)


def run_info(
    read: t.Callable[[t.Any, Params], dict[str, t.Any]], argument_spec: dict[str, t.Any], **rules: t.Any
) -> None:
    """A module that reads libvirt's objects: ``read(world, params)`` is its result. Opens read-only."""
    answer = _Answer(argument_spec, CONNECTION_SPEC, rules)
    with answer:
        answer.read(read, answer.world(readonly=True))


def run_local(
    make_plan: t.Callable[[Params], Plan],
    argument_spec: dict[str, t.Any],
    operations: t.Callable[[], Operations],
    describe: t.Callable[[Params], t.Any],
    secrets: t.Optional[t.Callable[[Params], t.Iterable[str]]] = None,
    **rules: t.Any,
) -> None:
    """A module that converges something of the host itself, without libvirt."""
    answer = _Answer(argument_spec, {}, rules, secrets)
    with answer:
        answer.converge(None, lambda none, params: make_plan(params), operations, lambda none, params: describe(params))


def run_local_info(
    read: t.Callable[[Params], dict[str, t.Any]], argument_spec: dict[str, t.Any], **rules: t.Any
) -> None:
    """A module that reads something of the host itself, without libvirt."""
    answer = _Answer(argument_spec, {}, rules)
    with answer:
        answer.read(lambda none, params: read(params), None)


class _Module(AnsibleModule):
    """Tells the system's log which options a task has, and no values: passwords may be anywhere in them.

    ``no_log`` of the constructor can't do that: the task's own no_log, false if it says nothing, takes its place.
    """

    def log(self, msg: str, log_args: t.Any = None) -> None:
        super().log(f"Invoked with {', '.join(name for name, value in self.params.items() if value is not None)}")


class _Answer:
    """One run of a module: leaves once, with a result or with an error of one paragraph."""

    def __init__(
        self,
        argument_spec: dict[str, t.Any],
        shared: dict[str, t.Any],
        rules: dict[str, t.Any],
        secrets: t.Optional[t.Callable[[Params], t.Iterable[str]]] = None,
    ) -> None:
        self.module = _Module(argument_spec={**shared, **argument_spec}, supports_check_mode=True, **rules)
        _command.lend(self.module.run_command)
        self.params: Params = self.module.params
        self.warnings: list[str] = []
        if secrets is not None:
            self.module.no_log_values.update(str(value) for value in secrets(self.params) if value)

    def __enter__(self) -> _Answer:
        return self

    def __exit__(self, kind: t.Any, error: t.Any, trace: t.Any) -> None:
        gc.freeze()  # what is left goes with the process: looking through it twice on the way out costs 12 ms a task
        if error is None or not isinstance(error, Exception):
            return
        explained = _explained(error)
        details = {**explained.details}
        for key in ("step", "rolled_back", "rollback_failed"):
            if getattr(error, key, None):
                details[key] = getattr(error, key)
        for warning in self.warnings:
            self.module.warn(warning)
        self.module.fail_json(msg=str(explained), **self._masked(), **details)

    def world(self, readonly: bool = False) -> t.Any:
        """The connection. Where libvirt isn't there, a check ends here: a change that can't be planned yet."""
        from . import _libvirt

        try:
            if _libvirt.MISSING:
                raise _libvirt.missing_error()
            return _libvirt.World(self.params["uri"], readonly)
        except KvmError as error:
            if self.module.check_mode and ("interpreter" in error.details or error.details.get("unreachable")):
                self.warnings.append(str(error))
                self.result(changed=not readonly, assumed=["libvirt"])
            raise

    def read(self, read: t.Callable[[t.Any, Params], dict[str, t.Any]], subject: t.Any) -> None:
        keys = read(subject, self.params)
        self.warnings += keys.pop("warnings", [])
        self.result(changed=False, **keys)

    def converge(
        self,
        subject: t.Any,
        make_plan: t.Callable[[t.Any, Params], Plan],
        operations: t.Callable[[], Operations],
        describe: t.Callable[[t.Any, Params], t.Any],
    ) -> None:
        """Plan; in a check show the plan, in a run carry it out; the object afterwards is part of the result."""
        plan = make_plan(subject, self.params)
        if plan.assumed and not self.module.check_mode:
            raise plan.assumed[0]
        self.warnings += plan.warnings + [str(error) for error in plan.assumed]
        result: dict[str, t.Any] = {"restart_required": plan.restart_required, **plan.extra}
        if plan.before or plan.after:
            result["diff"] = {"before": _lines(plan.before), "after": _lines(plan.after)}
        if self.module.check_mode:
            result["assumed"] = [error.details.get("option") or error.message for error in plan.assumed]
            result[plan.noun] = plan.predicted
        else:
            result[plan.noun] = plan.predicted
            if plan.steps or plan.predicted is None:
                from ._run import run_steps

                self.warnings += run_steps(plan, operations(), subject)
                result[plan.noun] = describe(subject, self.params)
            result.update((key, there) for key, there in (result[plan.noun] or {}).items() if key == "restart_required")
        self.result(changed=plan.changed, actions=plan.actions, **result)

    def result(self, **keys: t.Any) -> t.NoReturn:
        for warning in self.warnings:
            self.module.warn(warning)
        self.module.exit_json(**{**self._masked(), **keys})
        raise SystemExit  # never reached: exit_json has left

    def _masked(self) -> dict[str, t.Any]:
        """What Ansible shows of the parameters with -vvv: all but documents that may hold secrets anywhere."""
        return {
            "invocation": {
                "module_args": {
                    name: "(not shown)" if name in _NOT_SHOWN and value else value
                    for name, value in self.params.items()
                }
            }
        }


_NOT_SHOWN = ("cloud_init", "install", "xml", "xml_patch")


def _explained(error: Exception) -> KvmError:
    """Any error as one paragraph; what nobody foresaw is said to be that."""
    if isinstance(error, KvmError):
        return error
    from . import _libvirt

    if _libvirt.is_error(error):
        return _libvirt.explain(error)
    if isinstance(error, OSError):
        return KvmError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return KvmError(
        f"Unexpected {type(error).__name__} at {where}: {error}", "This is a defect of metal.kvm: please report it."
    )


def _lines(values: dict[str, t.Any]) -> str:
    """The differing options as YAML, without those that aren't set; a document stands as it is."""
    return "".join(f"{path}: {_yaml(value)}\n" for path, value in values.items() if value is not None)


def _yaml(value: t.Any) -> str:
    import json

    if isinstance(value, str) and "\n" in value:
        return "|\n" + "".join(f"  {line}\n" for line in value.splitlines()).rstrip("\n")
    plain = isinstance(value, str) and value and not value.startswith(("{", "[", '"'))
    return value if plain else json.dumps(value, sort_keys=True)
