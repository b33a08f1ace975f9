"""What may be set: the table of options, the layers that say so, and the values that come of them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .values import OPTIONS, Project, Scope, Settings, from_json, load, store_root, to_json

__all__ = ["OPTIONS", "Project", "Scope", "Settings", "from_json", "load", "store_root", "to_json"]


def __getattr__(name: str) -> object:
    """Import a name from where it lives now."""
    if name not in __all__:
        raise AttributeError(name)
    from . import values

    return getattr(values, name)
