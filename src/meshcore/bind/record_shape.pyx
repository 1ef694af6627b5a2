"""What a record is made of, and the methods that all records share: making one, comparing, hashing, printing, replacing fields.

Owns the layout of each record class (`Shape`): names, defaults and where in an instance a field lies. A call of a record class comes here
straight from the interpreter (its vectorcall), with neither a tuple nor a dictionary of arguments, and writes the fields where the
descriptors of its slots would: a configuration of ten thousand clusters makes half a million records. Must not know what any record means.
Called by `meshcore.bind.record` when a class is made, and by whoever makes records; with the GIL, any thread. A shape lives as long as its
class.
"""

cimport cython
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdlib cimport calloc, free

cdef extern from *:
    """
    #include <structmember.h>

    static Py_ssize_t record_offset(PyObject *slot) { return ((PyMemberDescrObject *)slot)->d_member->offset; }
    static PyObject *record_field(PyObject *one, Py_ssize_t offset) { return *(PyObject **)((char *)one + offset); }
    static void record_put(PyObject *one, Py_ssize_t offset, PyObject *value) {
        PyObject **at = (PyObject **)((char *)one + offset), *old = *at;
        Py_INCREF(value);
        *at = value;
        Py_XDECREF(old);
    }
    static PyObject *record_alloc(PyObject *kind) { return ((PyTypeObject *)kind)->tp_alloc((PyTypeObject *)kind, 0); }
    static void record_set_call(PyObject *kind, void *call) { ((PyTypeObject *)kind)->tp_vectorcall = (vectorcallfunc)call; }
    """
    Py_ssize_t record_offset(object slot)
    PyObject *record_field(object one, Py_ssize_t offset)
    void record_put(object one, Py_ssize_t offset, PyObject *value)
    object record_alloc(object kind)
    void record_set_call(object kind, void *call)
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf)


cdef object REQUIRED = object()


@cython.final
cdef class Field:
    """Default and properties of one field, as written in the class; `default_factory` makes the default of each instance."""

    cdef readonly object default, default_factory
    cdef readonly bint repr, compare

    def __init__(self, default, default_factory, repr, compare):
        self.default, self.default_factory, self.repr, self.compare = default, default_factory, repr, compare


@cython.final
cdef class Shape:
    """The fields of one record class, in order. `defaults` holds what a field that was not given gets: a value, a `Field` to be asked, or
    REQUIRED."""

    cdef readonly tuple names
    cdef readonly dict plain  # defaults as the class had them
    cdef tuple defaults
    cdef dict index
    cdef Py_ssize_t *offsets
    cdef Py_ssize_t count
    cdef frozenset hidden, apart  # names that are not printed, and not compared
    cdef bint checks  # it has a __post_init__

    def __cinit__(self, tuple names not None):
        self.offsets = <Py_ssize_t *>calloc(len(names) or 1, sizeof(Py_ssize_t))
        if self.offsets == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.offsets)

    def __init__(self, tuple names not None):
        self.names = names
        self.count = len(names)
        self.index = {name: number for number, name in enumerate(names)}


def shape(kind not None, dict plain not None):
    """Gives `kind`, a subclass of Record with its fields as __slots__, its shape; `plain` holds the defaults as the class had them."""
    cdef Shape made = Shape(kind.__slots__)
    made.plain = plain
    fields = {name: default for name, default in plain.items() if isinstance(default, Field)}
    made.defaults = tuple([_default(plain.get(name, REQUIRED)) for name in made.names])
    made.hidden = frozenset([name for name, one in fields.items() if not (<Field>one).repr])
    made.apart = frozenset([name for name, one in fields.items() if not (<Field>one).compare])
    made.checks = hasattr(kind, "__post_init__")
    seen = False
    for number, (name, default) in enumerate(zip(made.names, made.defaults)):
        made.offsets[number] = record_offset(vars(kind)[name])
        if default is REQUIRED and seen:
            raise TypeError(f"non-default argument {name!r} follows default argument")
        seen = default is not REQUIRED
    kind._shape = made
    record_set_call(kind, <void *>_made)


cdef object _default(object value):
    if not isinstance(value, Field) or (<Field>value).default_factory is not None:
        return value
    return (<Field>value).default


cdef Shape _shape_of(object kind):
    return <Shape?>kind._shape


cdef object _made(object kind, PyObject **values, size_t given, PyObject *keywords):
    """The vectorcall of every record class."""
    one = record_alloc(kind)
    _fill(one, _shape_of(kind), values, PyVectorcall_NARGS(given), keywords)
    return one


cdef int _fill(object one, Shape made, PyObject **values, Py_ssize_t given, PyObject *keywords) except -1:
    """Writes the fields of a new record: `given` values by position, then one for each of `keywords`, a tuple or NULL."""
    cdef Py_ssize_t named = PyTuple_GET_SIZE(<object>keywords) if keywords != NULL else 0
    cdef Py_ssize_t number, k, following = given
    cdef PyObject *name
    if given > made.count:
        raise TypeError(f"{type(one).__name__} takes {made.count} values, {given} were given")
    for number in range(given):
        record_put(one, made.offsets[number], values[number])
    for k in range(named):
        name = PyTuple_GET_ITEM(<object>keywords, k)
        if following < made.count and PyTuple_GET_ITEM(made.names, following) == name:
            number = following
        else:
            number = _number(one, made, <object>name)
        if record_field(one, made.offsets[number]) != NULL:
            raise TypeError(f"{type(one).__name__} got two values for {<object>name!r}")
        record_put(one, made.offsets[number], values[given + k])
        following = number + 1
    if given + named < made.count:
        _fill_defaults(one, made, given)
    if made.checks:
        one.__post_init__()
    return 0


cdef Py_ssize_t _number(object one, Shape made, object name) except -1:
    cdef PyObject *found = PyDict_GetItem(made.index, name)
    if found == NULL:
        raise TypeError(f"{type(one).__name__} has no field {name!r}")
    return <object>found


cdef int _fill_defaults(object one, Shape made, Py_ssize_t first) except -1:
    cdef Py_ssize_t number
    cdef PyObject *default
    for number in range(first, made.count):
        if record_field(one, made.offsets[number]) != NULL:
            continue
        default = PyTuple_GET_ITEM(made.defaults, number)
        if default == <PyObject *>REQUIRED:
            raise TypeError(f"{type(one).__name__} needs a value for {made.names[number]!r}")
        if type(<object>default) is Field:
            value = (<Field><object>default).default_factory()
            record_put(one, made.offsets[number], <PyObject *>value)
        else:
            record_put(one, made.offsets[number], default)
    return 0


cdef object _value(object one, Shape made, Py_ssize_t number):
    cdef PyObject *value = record_field(one, made.offsets[number])
    if value == NULL:
        raise AttributeError(made.names[number])
    return <object>value


@cython.auto_pickle(False)
cdef class Record:
    """Base of all record classes; what is here is the same for all of them."""

    def __init__(self, *args, **kwargs):
        # Only of classes that somebody derived from a record: a record class itself is made by its vectorcall.
        cdef Shape made = _shape_of(type(self))
        cdef tuple names = tuple(kwargs), values = args + tuple(kwargs.values())
        cdef PyObject *flat[256]
        cdef Py_ssize_t number
        if len(values) > 256:
            raise TypeError("too many values")
        for number in range(len(values)):
            flat[number] = PyTuple_GET_ITEM(values, number)
        _fill(self, made, flat, len(args), <PyObject *>names)

    def __eq__(self, other):
        cdef Shape made
        cdef Py_ssize_t number
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        made = _shape_of(type(self))
        for number in range(made.count):
            if made.apart and made.names[number] in made.apart:
                continue
            if not PyObject_RichCompareBool(_value(self, made, number), _value(other, made, number), Py_EQ):
                return False
        return True

    def __hash__(self):
        cdef Shape made = _shape_of(type(self))
        return hash(tuple([_value(self, made, n) for n in range(made.count) if made.names[n] not in made.apart]))

    def __repr__(self):
        cdef Shape made = _shape_of(type(self))
        shown = [f"{made.names[n]}={_value(self, made, n)!r}" for n in range(made.count) if made.names[n] not in made.hidden]
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __reduce__(self):
        return type(self), tuple(values(self).values())


def replace(Record one not None, /, **changes):
    """A new record of the same class with some fields changed."""
    cdef Shape made = _shape_of(type(one))
    cdef Py_ssize_t number
    new = record_alloc(type(one))
    for number in range(made.count):
        old = _value(one, made, number)
        record_put(new, made.offsets[number], <PyObject *>old)
    for name, value in changes.items():
        record_put(new, made.offsets[_number(new, made, name)], <PyObject *>value)
    if made.checks:
        new.__post_init__()
    return new


def values(Record one not None, /):
    """The fields by name, not looked into."""
    cdef Shape made = _shape_of(type(one))
    return {made.names[n]: _value(one, made, n) for n in range(made.count)}
