"""The system calls and memory operations of the kernel, callable from compiled functions without Python.

Compiled, they are calls into the C library by symbol (a symbol can be cached, a pointer cannot); uncompiled, the same
names go through ctypes. Addresses are plain integers. Nothing here checks anything: callers own the bounds.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic

from media.kernel import constants as c
from media.kernel.arrays import Words
from media.kernel.compiled import JIT_DISABLED, compiled
from media.kernel.layout import CLOCK_AT, POLL_AT, WAKE_VALUE_AT, CoreRow

TIMER_ABSTIME = 1
MSG_DONTWAIT = 0x40
MSG_NOSIGNAL = 0x4000
MSG_TRUNC = 0x20
POLLIN = 1
EINTR = 4
EAGAIN = 11

# Its own type says nothing of how the result is called.
intrinsic: Any = numba_intrinsic

_C_TYPES = {
    types.int32: ctypes.c_int32,
    types.uint32: ctypes.c_uint32,
    types.int64: ctypes.c_int64,
    types.uint64: ctypes.c_uint64,
}


def c_function(name: str, signature: Any) -> Callable[..., Any]:
    """Return a function of the C library under its numba signature, in the form that the callers' mode needs."""
    if not JIT_DISABLED:
        external: Callable[..., Any] = types.ExternalFunction(name, signature)
        return external
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = _C_TYPES[signature.return_type]
    function.argtypes = [_C_TYPES[argument] for argument in signature.args]

    def call(*arguments: Any) -> int:
        return int(function(*(int(argument) for argument in arguments)))

    return call


_int, _word = types.int32, types.int64

recvmsg = c_function("recvmsg", _word(_int, _word, _int))
recvmmsg = c_function("recvmmsg", _int(_int, _word, types.uint32, _int, _word))
sendto = c_function("sendto", _word(_int, _word, _word, _int, _word, types.uint32))
clock_gettime = c_function("clock_gettime", _int(_int, _word))
clock_nanosleep = c_function("clock_nanosleep", _int(_int, _int, _word, _word))
poll = c_function("poll", _int(_word, types.uint64, _int))
read = c_function("read", _word(_int, _word, _word))
write = c_function("write", _word(_int, _word, _word))
copy_octets = c_function("memcpy", _word(_word, _word, _word))
fill_octets = c_function("memset", _word(_word, _int, _word))
system_call = c_function("syscall", _word(_word, _word, _word, _word, _word, _word, _word))


if JIT_DISABLED:

    def errno() -> int:
        """Return the error number of the last system call of this thread."""
        return ctypes.get_errno()

    def load_acquire(words: Words, index: int) -> int:
        """Read a word that another thread publishes; uncompiled, the GIL orders the accesses."""
        return int(words[index])

    def store_release(words: Words, index: int, value: int) -> None:
        """Publish a word after everything written before it."""
        words[index] = value

    def full_fence() -> None:
        """Let everything written before be seen before anything is read after; uncompiled, the GIL orders it."""

    def prefetch(address: int) -> None:
        """Bring the cache line of an address near; uncompiled, there is no hurry."""

    def load_word(address: int) -> int:
        """Read the word at an address."""
        return ctypes.c_int64.from_address(int(address)).value

    def store_word(address: int, value: int) -> None:
        """Write the word at an address."""
        ctypes.c_int64.from_address(int(address)).value = int(value)

    def load_half(address: int) -> int:
        """Read an unsigned half of a word that the system publishes."""
        return ctypes.c_uint32.from_address(int(address)).value

    def publish_half(address: int, value: int) -> None:
        """Write an unsigned half of a word after everything written before it."""
        ctypes.c_uint32.from_address(int(address)).value = int(value)

else:
    _errno_location = types.ExternalFunction("__errno_location", _word())

    @intrinsic
    def _read_int32(_typing: Any, address: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()))

        return types.int32(address), generate

    @compiled
    def errno() -> int:
        """Return the error number of the last system call of this thread."""
        number: int = _read_int32(_errno_location())
        return number

    @intrinsic
    def load_acquire(_typing: Any, words: Any, index: Any) -> Any:
        """Read a word that another thread publishes; what that thread wrote before is visible afterwards."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array_type = signature.args[0]
            array = context.make_array(array_type)(context, builder, arguments[0])
            pointer = cgutils.get_item_pointer(context, builder, array_type, array, [arguments[1]], wraparound=False)
            return builder.load_atomic(pointer, "acquire", 8)

        return types.int64(words, index), generate

    @intrinsic
    def store_release(_typing: Any, words: Any, index: Any, value: Any) -> Any:
        """Publish a word after everything written before it."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array_type = signature.args[0]
            array = context.make_array(array_type)(context, builder, arguments[0])
            pointer = cgutils.get_item_pointer(context, builder, array_type, array, [arguments[1]], wraparound=False)
            word = context.cast(builder, arguments[2], signature.args[2], types.int64)
            builder.store_atomic(word, pointer, "release", 8)
            return context.get_dummy_value()

        return types.void(words, index, value), generate

    @intrinsic
    def full_fence(_typing: Any) -> Any:
        """Let everything written before be seen by other threads before anything is read after."""

        def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.void(), generate

    def _pointer(builder: Any, address: Any, bits: int) -> Any:
        return builder.inttoptr(address, ir.IntType(bits).as_pointer())

    @intrinsic
    def load_word(_typing: Any, address: Any) -> Any:
        """Read the word at an address."""

        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.load(_pointer(builder, arguments[0], 64))

        return types.int64(address), generate

    @intrinsic
    def store_word(_typing: Any, address: Any, value: Any) -> Any:
        """Write the word at an address."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word = context.cast(builder, arguments[1], signature.args[1], types.int64)
            builder.store(word, _pointer(builder, arguments[0], 64))
            return context.get_dummy_value()

        return types.void(address, value), generate

    @intrinsic
    def load_half(_typing: Any, address: Any) -> Any:
        """Read an unsigned half of a word that the system publishes; what it wrote before is visible afterwards."""

        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            half = builder.load_atomic(_pointer(builder, arguments[0], 32), "acquire", 4)
            return builder.zext(half, ir.IntType(64))

        return types.int64(address), generate

    @intrinsic
    def publish_half(_typing: Any, address: Any, value: Any) -> Any:
        """Write an unsigned half of a word after everything written before it."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word = context.cast(builder, arguments[1], signature.args[1], types.int64)
            half = builder.trunc(word, ir.IntType(32))
            builder.store_atomic(half, _pointer(builder, arguments[0], 32), "release", 4)
            return context.get_dummy_value()

        return types.void(address, value), generate

    @intrinsic
    def prefetch(_typing: Any, address: Any) -> Any:
        """Bring the cache line of an address near, to be written, while something else is done."""

        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            octet, word = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [octet, word, word, word])
            function = builder.module.declare_intrinsic("llvm.prefetch", [octet], kind)
            builder.call(function, [builder.inttoptr(arguments[0], octet), word(1), word(3), word(1)])
            return context.get_dummy_value()

        return types.void(address), generate


@compiled
def read_clock(core: CoreRow, clock: int) -> int:
    """Return the time of a system clock in ns."""
    clock_gettime(clock, core.address + CLOCK_AT)
    return core.clock[0] * 1_000_000_000 + core.clock[1]


@compiled
def sleep_until(core: CoreRow, deadline: int) -> None:
    """Sleep until the monotonic clock shows `deadline` ns, however often a signal interrupts."""
    core.clock[0] = deadline // 1_000_000_000
    core.clock[1] = deadline % 1_000_000_000
    while clock_nanosleep(c.CLOCK_MONOTONIC, TIMER_ABSTIME, core.address + CLOCK_AT, 0) == EINTR:
        continue


@compiled
def wait_for_wake(core: CoreRow) -> None:
    """Block until asyncio has written to the wake descriptor, and empty it."""
    core.poll[0] = core.wake_fd | (POLLIN << 32)
    if poll(core.address + POLL_AT, 1, -1) > 0:
        read(core.wake_fd, core.address + WAKE_VALUE_AT, 8)


@compiled
def signal_events(core: CoreRow) -> None:
    """Wake asyncio, which finds out from the rings what there is."""
    core.wake_value[0] = 1
    write(core.event_fd, core.address + WAKE_VALUE_AT, 8)
