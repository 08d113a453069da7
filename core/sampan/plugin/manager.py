"""Open drivers by name and tell extensions what happens: the typed door to every plugin.

Exactly one module is imported for the name asked for. pluggy registers it, checks its hooks against the
specifications and calls them, through whatever extensions wrap them; what comes back is checked against the
slot's contract. Whatever goes wrong in a plugin becomes a PluginFault that names it and its distribution.
"""

from __future__ import annotations

import _thread  # threading costs a millisecond more and the lock is this one
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sampan.errors import NotFound, PluginFault, SampanError
from sampan.plugin import culprits, deadline, index, slots
from sampan.plugin.index import Claim

if TYPE_CHECKING:
    import click
    import pluggy

    from sampan.config import RegistryHost, Settings
    from sampan.contracts.format import Format
    from sampan.contracts.log import LogDriver
    from sampan.contracts.network import NetworkDriver
    from sampan.contracts.plugin import PluginInfo
    from sampan.contracts.registry import Registry
    from sampan.contracts.runtime import Runtime
    from sampan.contracts.storage import StorageDriver
    from sampan.contracts.volume import VolumeDriver
    from sampan.model.container import Container
    from sampan.model.runtime_spec import Spec

_T = TypeVar("_T")


class Plugins:
    """The plugins installed, seen through one Settings. Safe to use from several threads.

    ``warn`` receives one line for each extension that cannot be loaded and each listener that fails; without
    it the lines gather in ``warnings``. ``claims`` replaces what is installed, for tests and embedding. Raises
    InvalidInput when the settings pin or configure a plugin of a slot that does not exist.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        warn: Callable[[str], None] | None = None,
        claims: Iterable[Claim] | None = None,
    ) -> None:
        for key in (*settings.pins, *settings.options):
            slots.get(key.partition("/")[0])
        self.settings = settings
        self.warnings: list[str] = []
        self._warn = warn or self.warnings.append
        self._claims = None if claims is None else tuple(claims)
        self._lock = _thread.RLock()
        self._pluggy: pluggy.PluginManager | None = None
        self._registered: dict[str, Any] = {}
        self._used: list[Claim] = []
        self._extensions: dict[str, Claim] = {}
        self._broken: dict[str, PluginFault] = {}

    # What there is

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim of every slot, sorted; several for one name when distributions collide."""
        if self._claims is None:
            self._claims = index.load()
        return self._claims

    def names(self, slot: str) -> list[str]:
        """Return the names there are in a slot, sorted."""
        slots.get(slot)
        return sorted({claim.name for claim in self.claims if claim.slot == slot})

    def find(self, slot: str, name: str) -> Claim:
        """Return the one claim that serves a name, without importing it.

        Raises NotFound, naming what there is, and PluginFault when several distributions claim the name and
        ``pins`` chooses none of them.
        """
        kind = slots.get(slot)
        claims = [claim for claim in self.claims if (claim.slot, claim.name) == (slot, name)]
        pin = self.settings.pins.get(f"{slot}/{name}")
        if not claims:
            raise NotFound(f'no {kind.noun} named "{name}"', _choices(name, self.names(slot)))
        if pin is not None:
            claims, found = [claim for claim in claims if _same(claim.distribution, pin)], claims
            if not claims:
                raise PluginFault(
                    f"{slot}/{name} is pinned to {pin}, which does not have it",
                    f"found in {_listing(claim.distribution for claim in found)}",
                )
        if len(claims) > 1:
            first = claims[0].distribution
            raise PluginFault(
                f"{slot}/{name} is claimed by {_listing(f'{c.distribution} {c.version}' for c in claims)}",
                f'choose one in the configuration: [pins] "{slot}/{name}" = "{first}"',
            )
        return claims[0]

    def load(self, slot: str, name: str) -> Any:
        """Import, register and return the plugin object of a name; the same one each time.

        Raises what ``find`` raises, and PluginFault when it cannot be imported or registered.
        """
        claim = self.find(slot, name)
        with self._lock:
            self._load_extensions()
            return self._register(claim)

    def info(self, slot: str, name: str) -> PluginInfo:
        """Return what a plugin tells of itself; its module's summary alone when it tells nothing."""
        from sampan.contracts.plugin import PluginInfo

        plugin = self.load(slot, name)
        claim = self.find(slot, name)
        answer = self._ask(claim, plugin, "sampan_plugin_info", {"slot": slot, "name": name})
        if answer is None:
            return PluginInfo(summary=claim.summary)
        self._checked(claim, "sampan_plugin_info", answer, PluginInfo)
        return answer  # type: ignore[no-any-return]  # checked

    def hooks(self, slot: str, name: str) -> list[str]:
        """Return the names of the hooks a plugin implements, sorted."""
        plugin = self.load(slot, name)
        callers = self._manager.get_hookcallers(plugin) or []
        return sorted(caller.name for caller in callers)

    # Providers

    def open_command(self, name: str) -> click.Command:
        """Open the command of an entry-point name, dots for spaces."""
        return self._open("commands", name, {})  # type: ignore[no-any-return]  # checked against the contract

    def open_storage(self, name: str, root: str) -> StorageDriver:
        """Open a storage driver on a directory of its own. Raises Unsupported when it cannot work here."""
        return self._open("storage", name, {"root": root})  # type: ignore[no-any-return]  # checked

    def open_network(self, name: str, root: str, run_root: str) -> NetworkDriver:
        """Open a network driver on its two directories."""
        arguments = {"root": root, "run_root": run_root}
        return self._open("network", name, arguments)  # type: ignore[no-any-return]  # checked

    def open_registry(self, name: str, repository: str, host: RegistryHost) -> Registry:
        """Open one repository, ``host[:port]/path``, or a host alone, through a registry client."""
        arguments = {"repository": repository, "host": host}
        return self._open("registries", name, arguments)  # type: ignore[no-any-return]  # checked

    def open_format(self, name: str) -> Format:
        """Open a snapshot format."""
        return self._open("formats", name, {})  # type: ignore[no-any-return]  # checked

    def open_runtime(self, name: str, run_root: str) -> Runtime:
        """Open a runtime on its directory."""
        return self._open("runtimes", name, {"run_root": run_root})  # type: ignore[no-any-return]  # checked

    def open_logs(self, name: str) -> LogDriver:
        """Open a log driver."""
        return self._open("logs", name, {})  # type: ignore[no-any-return]  # checked

    def open_volumes(self, name: str, root: str) -> VolumeDriver:
        """Open a volume driver on a directory of its own; one whose name nobody claims, through ``volume_fallback``."""
        fallback, known = self.settings.volume_fallback, self.names("volumes")
        serving = fallback if name not in known and fallback in known else name
        return self._open("volumes", name, {"root": root}, serving)  # type: ignore[no-any-return]  # checked

    def fault(self, error: BaseException) -> PluginFault | None:
        """Return what to report in place of an error that came out of a plugin: a fault that names the plugin.

        None where no plugin's code was running when it was raised, and for errors of Sampan's. That a command could not
        open a file is its user's affair, and no fault either.
        """
        if isinstance(error, SampanError):
            return None
        harmless = isinstance(error, (OSError, SystemExit))
        culprit = culprits.culprit(error, (one for one in self._used if not (harmless and one.slot == "commands")))
        return None if culprit is None else PluginFault(f"plugin {culprit.label} failed: {_reason(error)}")

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Have the plugin named for whatever else than a SampanError its drivers raise within."""
        try:
            yield
        except (Exception, SystemExit) as error:
            fault = self.fault(error)
            if fault is None:
                raise
            raise fault from error

    def answer(self, slot: str, name: str, method: str, found: object, kind: type[_T]) -> _T:
        """Return what a driver's method answered. Raises PluginFault, which names its plugin, for another kind."""
        if isinstance(found, kind):
            return found
        got, label = type(found).__qualname__, self.find(slot, name).label
        raise PluginFault(f"plugin {label} returned {got} from {method}, which is no {kind.__qualname__}")

    def warn(self, line: str) -> None:
        """Tell the user what a plugin keeps from being done, where the rest goes on without it."""
        self._warn(line)

    # Events

    def amend_spec(self, container: Container, spec: Spec) -> None:
        """Let every extension change the spec in place.

        Raises PluginFault when one fails or could not be loaded at all, and whatever SampanError one raises.
        """
        with self._lock:
            self._load_extensions()
        for fault in self._broken.values():
            raise fault
        for claim, error in self._tell("sampan_amend_spec", {"container": container, "spec": spec}):
            raise PluginFault(f"plugin {claim.label} failed: {_reason(error)}") from error

    def image_pulled(self, reference: str, image: str) -> None:
        """Tell that an image arrived from a registry."""
        self._announce("sampan_image_pulled", {"reference": reference, "image": image})

    def image_pushed(self, reference: str, image: str) -> None:
        """Tell that a registry has an image."""
        self._announce("sampan_image_pushed", {"reference": reference, "image": image})

    def image_imported(self, reference: str, image: str) -> None:
        """Tell that an image was made from a snapshot."""
        self._announce("sampan_image_imported", {"reference": reference, "image": image})

    def image_tagged(self, reference: str, image: str) -> None:
        """Tell that an image was given a name."""
        self._announce("sampan_image_tagged", {"reference": reference, "image": image})

    def image_untagged(self, reference: str, image: str) -> None:
        """Tell that a name was taken from an image."""
        self._announce("sampan_image_untagged", {"reference": reference, "image": image})

    def image_committed(self, container: Container, reference: str, image: str) -> None:
        """Tell that an image was made of a container."""
        told = {"container": container, "reference": reference, "image": image}
        self._announce("sampan_image_committed", told)

    def image_saved(self, reference: str, image: str) -> None:
        """Tell that an image was written to an archive."""
        self._announce("sampan_image_saved", {"reference": reference, "image": image})

    def image_loaded(self, reference: str, image: str) -> None:
        """Tell that an image came out of an archive."""
        self._announce("sampan_image_loaded", {"reference": reference, "image": image})

    def image_removed(self, image: str) -> None:
        """Tell that an image is gone."""
        self._announce("sampan_image_removed", {"image": image})

    def container_created(self, container: Container) -> None:
        """Tell that a container is on record."""
        self._announce("sampan_container_created", {"container": container})

    def container_started(self, container: Container) -> None:
        """Tell that a container runs."""
        self._announce("sampan_container_started", {"container": container})

    def container_exited(self, container: Container) -> None:
        """Tell that a container's first process ended."""
        self._announce("sampan_container_exited", {"container": container})

    def container_removed(self, container: Container) -> None:
        """Tell that a container is gone."""
        self._announce("sampan_container_removed", {"container": container})

    # How

    @property
    def _manager(self) -> pluggy.PluginManager:
        if self._pluggy is None:
            from sampan.hookspecs import events, providers
            from sampan.plugin.registrar import Registrar

            self._pluggy = Registrar("sampan")
            self._pluggy.add_hookspecs(providers)
            self._pluggy.add_hookspecs(events)
        return self._pluggy

    def _load_extensions(self) -> None:
        for name in self.names("extensions"):
            key = f"extensions/{name}"
            if name in self._extensions or key in self._broken or key in self.settings.disabled:
                continue
            try:
                claim = self.find("extensions", name)
                self._configure(claim, self._register(claim))
                self._extensions[name] = claim
            except PluginFault as fault:
                hint = fault.hint or f'repair it, remove it, or set disabled = ["{key}"]'
                self._broken[key] = PluginFault(fault.message, hint)
                self._warn(f"{fault.message} ({hint})")

    def _configure(self, claim: Claim, extension: Any) -> None:
        options = dict(self.settings.options.get(f"extensions/{claim.name}", {}))
        if options and not hasattr(extension, "sampan_configure"):
            raise PluginFault(f"plugin {claim.label} takes no options")
        others = self._manager.get_plugins() - {extension}
        try:
            self._manager.subset_hook_caller("sampan_configure", others)(options=options)
        except (Exception, SystemExit) as error:
            told = str(error) if isinstance(error, SampanError) else _reason(error)
            raise PluginFault(f"plugin {claim.label} cannot be configured: {told}") from error

    def _register(self, claim: Claim) -> Any:
        # By its target, which may serve under several names: ``ls`` and ``list``.
        if claim.target in self._registered:
            return self._registered[claim.target]
        manager = self._manager
        with deadline.limited(self.settings.plugin_timeout, f"plugin {claim.label} cannot be imported"):
            plugin = _import(claim)
        try:
            manager.register(plugin, claim.target)
            manager.check_pending()
        except (Exception, SystemExit) as error:
            if manager.get_plugin(claim.target) is not None:
                manager.unregister(name=claim.target)
            raise PluginFault(f"plugin {claim.label} does not fit: {_reason(error)}") from error
        self._registered[claim.target] = plugin
        self._used.append(claim)
        return plugin

    def _open(self, slot: str, name: str, arguments: dict[str, Any], serving: str = "") -> Any:
        # The plugin ``serving`` may open drivers of other names than its own.
        serving = serving or name
        kind = slots.get(slot)
        plugin = self.load(slot, serving)
        claim = self.find(slot, serving)
        if slot != "commands":
            arguments["options"] = dict(self.settings.options.get(f"{slot}/{serving}", {}))
        answer = self._ask(claim, plugin, kind.hook, {"name": name, **arguments})
        if answer is None:
            raise PluginFault(f"plugin {claim.label} does not answer {kind.hook}")
        return self._checked(claim, kind.hook, answer, _object(kind.contract))

    def _ask(self, claim: Claim, plugin: Any, hook: str, arguments: dict[str, Any]) -> Any:
        # Other providers would answer for themselves. One that is an extension as well stays for its wrappers: it
        # was registered earlier, so the plugin asked is called before it.
        with self._lock:
            extensions = {extension.target for extension in self._extensions.values()}
            others = [
                other for target, other in self._registered.items() if other is not plugin and target not in extensions
            ]
        try:
            return self._manager.subset_hook_caller(hook, others)(**arguments)
        except SampanError:
            raise
        except (Exception, SystemExit) as error:
            # The plugin asked or an extension around it.
            culprit = culprits.culprit(error, (*self._extensions.values(), claim)) or claim
            raise PluginFault(f"plugin {culprit.label} failed: {_reason(error)}") from error

    def _checked(self, claim: Claim, hook: str, answer: Any, contract: Any) -> Any:
        if not isinstance(answer, contract):
            got, wanted = type(answer).__qualname__, contract.__qualname__
            raise PluginFault(f"plugin {claim.label} returned {got} from {hook}, which is no {wanted}")
        return answer

    def _announce(self, hook: str, arguments: dict[str, Any]) -> None:
        with self._lock:
            self._load_extensions()
        for claim, error in self._tell(hook, arguments, harmless=True):
            self._warn(f"plugin {claim.label} failed in {hook}: {_reason(error)}")

    def _tell(
        self, hook: str, arguments: dict[str, Any], *, harmless: bool = False
    ) -> Iterable[tuple[Claim, BaseException]]:
        # One listener at a time: pluggy would stop at the first that fails.
        if not self._extensions:
            return
        everyone = self._manager.get_plugins()
        for claim in self._extensions.values():
            plugin = self._registered[claim.target]
            try:
                self._manager.subset_hook_caller(hook, everyone - {plugin})(**arguments)
            except (Exception, SystemExit) as error:
                if isinstance(error, SampanError) and not harmless:
                    raise
                yield claim, error


def _import(claim: Claim) -> Any:
    try:
        return _object(claim.target)
    except (Exception, SystemExit) as error:
        raise PluginFault(f"plugin {claim.label} cannot be imported: {_reason(error)}") from error


def _object(target: str) -> Any:
    from importlib import import_module

    module, _, path = target.partition(":")
    found: Any = import_module(module.strip())
    for attribute in filter(None, path.strip().split(".")):
        found = getattr(found, attribute)
    return found


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _same(one: str, other: str) -> bool:
    return one.lower().replace("_", "-").replace(".", "-") == other.lower().replace("_", "-").replace(".", "-")


def _listing(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _choices(name: str, names: list[str]) -> str:
    if not names:
        return "none is installed"
    from difflib import get_close_matches

    near = get_close_matches(name, names, 1)
    return (f'did you mean "{near[0]}"? ' if near else "") + "there are " + ", ".join(names)
