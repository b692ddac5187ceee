"""Imports parts of kubernetes-asyncio without the 800 generated models and APIs that its packages load beside them.

They are 35 MB and a second of every start, and nothing here reads them: bodies are read by `connection`. While the parts
are imported, packages without contents stand in for theirs; afterwards those are gone, and whoever imports the library
gets all of it, with these parts in it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

LIBRARY = "kubernetes_asyncio"
CLIENT, MODELS = f"{LIBRARY}.client", f"{LIBRARY}.client.models"
# What the other parts take from the package `client`, and where that is.
TAKEN = {"ApiClient": f"{CLIENT}.api_client", "Configuration": f"{CLIENT}.configuration"}


class _StandIn(ModuleType):
    """An empty package. origins: the modules of what is taken from it while it stands there; afterwards, the real one."""

    def __init__(self, name: str, places: list[str], origins: Mapping[str, str]) -> None:
        super().__init__(name)
        self.__path__ = places
        self._origins = origins

    def __getattr__(self, name: str) -> Any:
        stands = sys.modules.get(self.__name__) is self
        origin = self._origins.get(name) if stands else self.__name__
        if origin is None or name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(origin), name)


@contextmanager
def without_models() -> Iterator[None]:
    """Within this block the parts are imported. Where all of the library is there already, nothing is different."""
    if LIBRARY in sys.modules:
        yield
        return
    stand_ins = _stand_ins()
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _stand_ins() -> dict[str, ModuleType]:
    found = importlib.util.find_spec(LIBRARY)
    places = list(found.submodule_search_locations or ()) if found is not None else []
    package = _StandIn(LIBRARY, places, {})
    client = _StandIn(CLIENT, [f"{place}/client" for place in places], TAKEN)
    models = _StandIn(MODELS, [], {})
    package.__dict__["client"], client.__dict__["models"] = client, models
    return {LIBRARY: package, CLIENT: client, MODELS: models}
