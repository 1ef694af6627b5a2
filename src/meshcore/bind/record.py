"""`record`: a slotted data class, frozen unless it says otherwise, that costs little to define and little to make.

The plan has over a hundred classes and a configuration makes many thousands of instances. `dataclasses` compiles the text of five methods
for each class, 0.8 ms and 22 KiB, and its import takes `inspect`, `ast` and `tokenize` along: together a quarter of the time from start to
ready and 2 MiB. A record's methods are native and the same for all (`record_shape`). To its users it is a data class, and so it is to
`dataclasses.fields`, `replace`, `asdict` and `is_dataclass`: what those look for is made when they first look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, dataclass_transform, overload

from meshcore.bind.record_shape import Field, Record, replace, shape, values

__all__ = ["field", "record", "replace", "values"]

T = TypeVar("T")
MISSING: Any = object()


def field(*, default: Any = MISSING, default_factory: Callable[[], Any] | None = None, repr: bool = True, compare: bool = True) -> Any:
    """As in `dataclasses`; one of `default` and `default_factory` is given."""
    assert (default is MISSING) != (default_factory is None)
    return Field(None if default_factory else default, default_factory, repr, compare)


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T], /) -> type[T]: ...
@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(*, frozen: bool = True) -> Callable[[type[T]], type[T]]: ...
def record(cls: type[T] | None = None, /, *, frozen: bool = True) -> Any:
    """The class decorator; fields are the class's annotations, in order. A record has no bases but object."""
    return (lambda one: _made(one, frozen)) if cls is None else _made(cls, frozen)


def _made(cls: type[T], frozen: bool) -> type[T]:
    names = tuple(cls.__annotations__)
    assert cls.__bases__ == (object,)
    body = {key: value for key, value in vars(cls).items() if key not in ("__dict__", "__weakref__", *names)}
    body |= {"__slots__": names, "__match_args__": names, "__dataclass_fields__": Late(), "__dataclass_params__": Late()}
    body |= {"__setattr__": _refuse, "__delattr__": _refuse} if frozen else {"__hash__": None}
    made = type(cls.__name__, (Record,), body)
    made.__qualname__ = cls.__qualname__
    shape(made, {name: vars(cls)[name] for name in names if name in vars(cls)})
    return made


class Late:
    """Stands where `dataclasses` looks for what it knows of a class, until it does."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, instance: object, cls: type[Any]) -> Any:
        import dataclasses

        body: dict[str, Any] = {"__annotations__": cls.__annotations__, "__module__": cls.__module__, "__doc__": cls.__doc__}
        for name, default in cls._shape.plain.items():
            if isinstance(default, Field):
                kind: Any = dataclasses.field
                initial = {"default_factory": default.default_factory} if default.default_factory else {"default": default.default}
                default = kind(**initial, repr=default.repr, compare=default.compare)
            body[name] = default
        twin = dataclasses.dataclass(frozen=cls.__hash__ is not None)(type(cls.__name__, (), body))
        for name in ("__dataclass_fields__", "__dataclass_params__"):
            setattr(cls, name, vars(twin)[name])
        return vars(twin)[self.name]


def _refuse(self: object, name: str, *_: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")
