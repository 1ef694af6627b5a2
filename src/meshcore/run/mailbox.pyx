"""Mailbox: a Treiber stack of messages. See mailbox.pxd for the law."""
from meshcore.base.atomics cimport atomic_peek, atomic_swap_if, atomic_take


cdef bint mailbox_put(Mailbox *box, Message *message) noexcept nogil:
    # `message` may be handled and freed the moment it is in.
    cdef void *top
    while True:
        top = atomic_peek(&box.top)
        message.next = <Message *>top
        if atomic_swap_if(&box.top, top, message):
            return top == NULL


cdef Message *mailbox_take(Mailbox *box) noexcept nogil:
    cdef Message *message = <Message *>atomic_take(&box.top)
    cdef Message *first = NULL
    cdef Message *next
    while message != NULL:
        next = message.next
        message.next = first
        first = message
        message = next
    return first
