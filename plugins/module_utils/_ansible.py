# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame around every module: the only file that knows AnsibleModule, check mode, results and failure."""

from __future__ import annotations

import gc
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from . import _archive

_archive.use(__package__ or "")  # before the others are imported: they come from where it says
gc.disable()  # a task is short; and freeing an object of libvirt's in the midst of a failing call would take its error's code

from . import _command, _secret, _wait  # noqa: E402
from ._plan import KvmError, Operations, Plan  # noqa: E402

CONNECTION_SPEC: dict[str, t.Any] = {"uri": {"type": "str", "default": "qemu:///system"}}

Params = dict[str, t.Any]
T = t.TypeVar("T")


def run_module(
    make_plan: t.Callable[[t.Any, Params], Plan],
    argument_spec: dict[str, t.Any],
    operations: t.Callable[[], Operations],
    describe: t.Callable[[t.Any, Params], t.Any],
    **rules: t.Any,
) -> None:
    """A module that converges one of libvirt's objects.

    ``make_plan(world, params)`` decides; ``operations()`` names what steps can do (asked for only if there are steps);
    ``describe(world, params)`` is the object after the run, in the shape of its ``_info`` module.
    """
    answer = _Answer(argument_spec, CONNECTION_SPEC, rules)
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
    **rules: t.Any,
) -> None:
    """A module that converges something of the host itself, without libvirt."""
    answer = _Answer(argument_spec, {}, rules)
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
    """Ansible's module, none of whose ways out shows a secret: not even its own errors about arguments.

    ``_return_formatted`` is where every result and every failure leaves, before Ansible has looked at the arguments too.
    """

    def __init__(self, **rules: t.Any) -> None:
        self._given: Params = {}
        self._secrets: set[str] = set()
        try:
            super().__init__(**rules)
        except Exception as error:  # arguments that Ansible itself stumbles over
            if not hasattr(self, "cleanup_files"):
                raise  # there is no module yet that could fail
            self.fail_json(msg=f"The task's arguments can't be read: {type(error).__name__}: {error}", exception="")

    def _load_params(self) -> None:
        super()._load_params()
        self._given = dict(self.params)
        self._secrets = _secret.gather(self._given)
        self.no_log_values.update(self._secrets)

    def log(self, msg: str, log_args: t.Any = None) -> None:
        """Tell the system's log which options a task has, and no values: passwords may be anywhere in them.

        ``no_log`` of the constructor can't do that: the task's own no_log, false if it says nothing, takes its place.
        """
        super().log(f"Invoked with {', '.join(name for name, value in self.params.items() if value is not None)}")

    def warn(self, warning: str, **more: t.Any) -> None:
        """Add a warning to the result."""
        super().warn(self._masked(warning), **more)

    def _masked(self, value: t.Any) -> t.Any:
        secrets = {*self._secrets, *self.no_log_values, *_secret.LEARNT}
        return _secret.mask(value, _secret.spellings(secrets)) if secrets else value

    def _return_formatted(self, kwargs: dict[str, t.Any]) -> None:
        if not hasattr(self, "validation_result") or self.validation_result.error_messages:
            self._secrets |= _secret.misfits(self._given, self.argument_spec)
            self.params = self._given
            self._explain(kwargs)
        kwargs["invocation"] = {"module_args": _secret.shown(self.params, self.argument_spec)}
        super()._return_formatted(self._masked(kwargs))

    def _explain(self, kwargs: dict[str, t.Any]) -> None:
        """Say what is wrong with the arguments, and what was probably meant, in place of Ansible's list of all options."""
        result = getattr(self, "validation_result", None)
        if result is not None and result.error_messages:
            from ._guess import explained

            kwargs["msg"] = explained(
                self._name, result.error_messages, result.unsupported_parameters, self.argument_spec
            )


class _Answer:
    """One run of a module: leaves once, with a result or with an error of one paragraph."""

    def __init__(
        self,
        argument_spec: dict[str, t.Any],
        shared: dict[str, t.Any],
        rules: dict[str, t.Any],
    ) -> None:
        self.module = _Module(argument_spec={**shared, **argument_spec}, supports_check_mode=True, **rules)
        _command.lend(self.module.run_command)
        self.params: Params = self.module.params
        self.warnings: list[str] = []

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
        for warning in [*self.warnings, *getattr(error, "remarks", ())]:
            self.module.warn(warning)
        said = KvmError(f"{explained.message.rstrip('.')}{_taken_back(details)}", explained.remedy)
        self.module.fail_json(msg=str(said), **details)

    def world(self, readonly: bool = False) -> t.Any:
        """The connection. Where libvirt isn't there, a check ends here: a change that can't be planned yet."""
        from . import _libvirt

        try:
            if _libvirt.MISSING:
                from ._interpreter import use_another

                use_another()
                raise _libvirt.missing_error()
            return _libvirt.World(self.params["uri"], readonly)
        except KvmError as error:
            if self.module.check_mode and ("interpreter" in error.details or error.details.get("unreachable")):
                self.warnings.append(error.assumed())
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
        plan = self._planned(make_plan, subject)
        if plan.steps and not self.module.check_mode:
            plan = self._carried_out(plan, make_plan, operations(), subject)
        result: dict[str, t.Any] = {"restart_required": plan.restart_required, **plan.extra}
        if plan.before or plan.after:
            _secret.LEARNT.update(_secret.gather([plan.before, plan.after]))  # what libvirt had may be secret too
            result["diff"] = {"before": _lines(plan.before), "after": _lines(plan.after)}
        if self.module.check_mode:
            result[plan.noun] = plan.predicted
            result["assumed"] = [error.details.get("option") or error.message for error in plan.assumed]
        else:
            result.update(self._after(plan, describe, subject))
        self.result(changed=plan.changed, actions=plan.actions, **result)

    def _carried_out(
        self, plan: Plan, make_plan: t.Callable[[t.Any, Params], Plan], operations: Operations, subject: t.Any
    ) -> Plan:
        """Carry the plan out; returns it, or the one that took its place because another run was there before."""
        from ._converge import carry_out

        def again() -> Plan:
            return self._planned(make_plan, subject)

        plan, remarks = carry_out(plan, again, operations, subject, self.params.get("uri") or "this host")
        self.warnings += remarks
        return plan

    def _after(self, plan: Plan, describe: t.Callable[[t.Any, Params], t.Any], subject: t.Any) -> dict[str, t.Any]:
        """The object after the run, and what it says itself of a restart that it needs."""
        there = plan.predicted
        if plan.steps or there is None:
            there = _steadily(lambda: describe(subject, self.params))
        return {plan.noun: there, **{key: one for key, one in (there or {}).items() if key == "restart_required"}}

    def _planned(self, make_plan: t.Callable[[t.Any, Params], Plan], subject: t.Any) -> Plan:
        """The plan, whose warnings are the task's from here on."""
        began = time.monotonic()
        plan = _steadily(lambda: make_plan(subject, self.params))
        plan.began = began
        if plan.assumed and not self.module.check_mode:
            raise plan.assumed[0]
        if not plan.targets:
            plan.lock(plan.noun)
        self.warnings = plan.warnings + [error.assumed() for error in plan.assumed]
        return plan

    def result(self, **keys: t.Any) -> t.NoReturn:
        for warning in self.warnings:
            self.module.warn(warning)
        self.module.exit_json(**keys)
        raise SystemExit  # never reached: exit_json has left


MOMENT = 2.0  # seconds


def _steadily(look: t.Callable[[], T]) -> T:
    """What ``look`` reads of libvirt, without a lock: read again where another run stops or deletes what it's looking at."""
    return _wait.retry(look, _vanishes, MOMENT, 0.1)


def _vanishes(error: Exception) -> bool:
    from . import _libvirt

    return _libvirt.code_is(error, *_libvirt.GONE, "VIR_ERR_OPERATION_INVALID")


def _explained(error: Exception) -> KvmError:
    """Any error as one paragraph; what nobody foresaw is said to be that."""
    if isinstance(error, KvmError):
        return error
    from . import _libvirt

    if _libvirt.is_error(error):
        return _libvirt.explain(error)
    if isinstance(error, OSError):
        return _of_system(error)
    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    step = getattr(error, "step", "")
    return KvmError(
        f"{f'Failed to {step}: ' if step else ''}Unexpected {type(error).__name__} at {where}: {error}",
        "This is a defect of metal.kvm: please report it.",
    )


def _of_system(error: OSError) -> KvmError:
    """The system's error: the step that failed, or the look at the host before any step, the file, why, and a remedy."""
    import errno

    remedies = {
        errno.EACCES: "Run the task as root (become: true).",
        errno.EPERM: "Run the task as root (become: true).",
        errno.ENOSPC: "Free some space there, then run the task again.",
        errno.EDQUOT: "Raise the quota or free some space, then run the task again.",
        errno.EROFS: "The file system is read-only. Make it writable, then run the task again.",
    }
    step = getattr(error, "step", "") or "read the state of the host"
    files = " and ".join(str(name) for name in (error.filename, error.filename2) if name)
    why = error.strerror or str(error) or type(error).__name__
    return KvmError(f"Failed to {step}: {f'{files}: ' if files else ''}{why}", remedies.get(error.errno or 0, ""))


def _taken_back(details: dict[str, t.Any]) -> str:
    """The sentences of a failed run about what it undid, and what it couldn't."""
    done, stuck = details.get("rolled_back"), details.get("rollback_failed")
    undone = f". Undone: {'; '.join(done)}" if done else ""
    return undone + (f". Not undone: {'; '.join(one.rstrip('.') for one in stuck)}" if stuck else "")


def _lines(values: dict[str, t.Any]) -> str:
    """The differing options as YAML, without those that aren't set; a document stands as it is."""
    return "".join(f"{path}: {_yaml(value)}\n" for path, value in values.items() if value is not None)


def _yaml(value: t.Any) -> str:
    import json

    if isinstance(value, str) and "\n" in value:
        return "|\n" + "".join(f"  {line}\n" for line in value.splitlines()).rstrip("\n")
    plain = isinstance(value, str) and value and not value.startswith(("{", "[", '"'))
    return value if plain else json.dumps(value, sort_keys=True)
