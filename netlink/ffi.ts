/**
 * The C functions this project calls, and the only user of koffi: when Node's own `node:ffi` is stable it takes
 * koffi's place here. All of them run on the calling thread, which matters for setns(2) and unshare(2).
 * Structures are built in Buffers by the callers, so that a wrong layout is a test failure and not a crash.
 */
import koffi from 'koffi'

export const AF_INET = 2
export const AF_NETLINK = 16
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_CLOEXEC = 0o2000000
export const SOCK_NONBLOCK = 0o4000
export const SOL_SOCKET = 1
export const SO_NO_CHECK = 11
export const SO_RCVTIMEO = 20
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SOL_NETLINK = 270
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const CLONE_NEWNET = 0x40000000
export const MS_BIND = 0x1000
export const MS_REC = 0x4000
export const MS_SHARED = 1 << 20
export const MNT_DETACH = 2
const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 1

const libc = koffi.load('libc.so.6')

const cSocket = libc.func('int socket(int domain, int type, int protocol)')
const cBind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const cSetsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
)
const cSend = libc.func('long send(int fd, const void *buffer, size_t length, int flags)')
const cRecv = libc.func('long recv(int fd, void *buffer, size_t length, int flags)')
const cSetns = libc.func('int setns(int fd, int type)')
const cUnshare = libc.func('int unshare(int flags)')
const cMount = libc.func(
  'int mount(const char *source, const char *target, const char *type, ulong flags, const void *data)',
)
const cUmount2 = libc.func('int umount2(const char *target, int flags)')

/** errno of the last call on this thread; read it before any other call. */
export function errno(): number {
  return koffi.errno()
}

/** socket(2): a file descriptor, or -1. */
export function socket(domain: number, type: number, protocol: number): number {
  return cSocket(domain, type, protocol) as number
}

/** bind(2) with an already encoded sockaddr. */
export function bind(fd: number, address: Uint8Array): number {
  return cBind(fd, address, address.length) as number
}

const cConnect = libc.func('int connect(int fd, const void *address, uint32_t length)')

/** connect(2) with an already encoded sockaddr: 0, or -1. */
export function connect(fd: number, address: Uint8Array): number {
  return cConnect(fd, address, address.length) as number
}

/** setsockopt(2). */
export function setsockopt(fd: number, level: number, name: number, value: Uint8Array): number {
  return cSetsockopt(fd, level, name, value, value.length) as number
}

/** send(2) of the first `length` bytes: bytes sent, or -1. */
export function send(fd: number, buffer: Uint8Array, length: number, flags: number): number {
  return cSend(fd, buffer, length, flags) as number
}

/** recv(2) into `buffer`: bytes received (the true length with MSG_TRUNC), or -1. */
export function recv(fd: number, buffer: Uint8Array, flags: number): number {
  return cRecv(fd, buffer, buffer.length, flags) as number
}

/** setns(2): 0, or -1. */
export function setns(fd: number, type: number): number {
  return cSetns(fd, type) as number
}

/** unshare(2): 0, or -1. */
export function unshare(flags: number): number {
  return cUnshare(flags) as number
}

/** mount(2) without data: 0, or -1. */
export function mount(source: string, target: string, type: string, flags: number): number {
  return cMount(source, target, type, flags, null) as number
}

/** umount2(2): 0, or -1. */
export function umount2(target: string, flags: number): number {
  return cUmount2(target, flags) as number
}

const cFlock = libc.func('int flock(int fd, int operation)')
const cGetsockopt = libc.func(
  'int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)',
)

/** flock(2): 0, or -1. */
export function flock(fd: number, operation: number): number {
  return cFlock(fd, operation) as number
}

/** getsockopt(2) into `value`: 0, or -1. */
export function getsockopt(fd: number, level: number, name: number, value: Uint8Array): number {
  return cGetsockopt(fd, level, name, value, [value.length]) as number
}

const cRecvmmsg = libc.func(
  'int recvmmsg(int fd, void *messages, unsigned int count, int flags, const void *timeout)',
)
const cSendmmsg = libc.func('int sendmmsg(int fd, const void *messages, unsigned int count, int flags)')
const cGetsockname = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)')

/** recvmmsg(2) into an array of mmsghdr: datagrams received, or -1. */
export function recvmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number {
  return cRecvmmsg(fd, messages, count, flags, null) as number
}

/** sendmmsg(2) of an array of mmsghdr: datagrams sent, or -1. */
export function sendmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number {
  return cSendmmsg(fd, messages, count, flags) as number
}

/** getsockname(2) into `address`: 0, or -1. */
export function getsockname(fd: number, address: Uint8Array): number {
  return cGetsockname(fd, address, [address.length]) as number
}

const cMemfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)')
const cMmap = libc.func(
  'intptr_t mmap(void *address, size_t length, int protection, int flags, int fd, long offset)',
)

/** memfd_create(2): a descriptor, or -1. */
export function memfdCreate(name: string, flags: number): number {
  return cMemfdCreate(name, flags) as number
}

/** mmap(2) of a whole file, shared, to read and write: the memory, or undefined. It is never unmapped. */
export function mapShared(fd: number, length: number): ArrayBuffer | undefined {
  const address = BigInt(cMmap(null, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) as number | bigint)
  return address === -1n ? undefined : koffi.view(address, length)
}

/** The address in memory of a buffer, for structures that point at it. Whoever uses it keeps the buffer alive. */
export function addressOf(buffer: Uint8Array): bigint {
  return BigInt(koffi.address(buffer))
}

/** Watches a descriptor on the event loop. */
export interface PollHandle {
  close(): void
}

/** Open watches: koffi closes a handle that is garbage collected. */
const watches = new Set<ReturnType<typeof koffi.node.poll>>()

/**
 * Calls `onReadable` on the event loop (uv_poll) while `fd` has something to read or an error to tell. Does not keep
 * the process alive.
 */
export function pollReadable(fd: number, onReadable: () => void): PollHandle {
  let due = false
  let stopped = false
  // koffi calls back outside of a callback scope: no promises would run afterwards, and errors would get lost. So the
  // work is done in an immediate. It passes a status first, whatever its types say.
  const wake = (status: unknown): void => {
    // libuv stops watching when the socket has an error (POLLERR), such as netlink's ENOBUFS.
    stopped ||= typeof status === 'number' && status < 0
    if (due) return
    due = true
    setImmediate(() => {
      due = false
      if (!watches.has(handle)) return
      onReadable()
      if (!stopped || !watches.has(handle)) return
      stopped = false
      handle.start({ readable: true }, wake)
    })
  }
  const handle = koffi.node.poll(fd, { readable: true }, wake)
  handle.unref()
  watches.add(handle)
  return {
    close: () => {
      if (watches.delete(handle)) handle.close()
    },
  }
}
