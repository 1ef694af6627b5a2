// A shared object of many compiled modules: meshcore._engine, and meshcore._tls (see meshcore/__init__.py for which is where).
//
// 170 objects of their own cost a start about 3 MiB and the hot path its locality: each has tables and a page or two half used. The build
// compiles this file once for each shared object: ENGINE_INIT is the name of its init function, and engine_modules.h has one
// ENGINE_MODULE(name, init) for each Cython module in it. The finder imports them through create and execute, the two steps of PEP 489.
// Runs under the GIL, at imports only.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define ENGINE_MODULE(name, init) extern PyObject *init(void);
#include "engine_modules.h"
#undef ENGINE_MODULE

static const struct {
    const char *name;
    PyObject *(*init)(void);
} modules[] = {
#define ENGINE_MODULE(name, init) {name, init},
#include "engine_modules.h"
#undef ENGINE_MODULE
};

enum { MODULES = sizeof(modules) / sizeof(modules[0]) };

static Py_ssize_t find(PyObject *name) {
    Py_ssize_t i = 0;
    while (i < MODULES && PyUnicode_CompareWithASCIIString(name, modules[i].name) != 0)
        i++;
    return i;
}

static PyObject *has(PyObject *self, PyObject *name) {
    if (!PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "a module's name is a str, not %R", name);
    return PyBool_FromLong(find(name) < MODULES);
}

static PyObject *create(PyObject *self, PyObject *spec) {
    PyObject *name = PyObject_GetAttrString(spec, "name");
    if (name == NULL)
        return NULL;
    PyObject *module = NULL;
    Py_ssize_t i = PyUnicode_Check(name) ? find(name) : MODULES;
    if (i == MODULES) {
        PyErr_Format(PyExc_ImportError, "the engine has no module %R", name);
    } else {
        PyObject *definition = modules[i].init();
        if (definition != NULL && Py_IS_TYPE(definition, &PyModuleDef_Type))
            module = PyModule_FromDefAndSpec((PyModuleDef *)definition, spec);
        else if (definition != NULL)
            PyErr_Format(PyExc_SystemError, "%R is no module of two steps", name);
    }
    Py_DECREF(name);
    return module;
}

static PyObject *execute(PyObject *self, PyObject *module) {
    PyModuleDef *definition = PyModule_GetDef(module);
    if (definition == NULL || PyModule_ExecDef(module, definition) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"has", has, METH_O, "Whether a module of this full name is here."},
    {"create", create, METH_O, "A module for a ModuleSpec; not executed yet."},
    {"execute", execute, METH_O, "Runs the body of a module made by create."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "meshcore._engine", "Compiled modules of the engine; see meshcore/__init__.py.", 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC ENGINE_INIT(void) { return PyModuleDef_Init(&definition); }
