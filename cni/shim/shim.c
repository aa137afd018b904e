// The CNI executable's fast path: hands environment and stdin to the agent's unix socket and copies the reply.
//
// Freestanding (no libc), because a container runtime starts it for every pod and Node needs 20 ms to start. It behaves as
// cni/main.ts does, which is its reference: same frames (cni/handover/frame.ts), same answers. Whatever it cannot do itself
// (no agent, a refused or lost request, no CNI_COMMAND, an odd configuration) it leaves to that: it executes
// '<own path>-node' with the same environment and stdin.

typedef unsigned long size;
typedef long word;

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_socket = 41, SYS_connect = 42,
       SYS_setsockopt = 54, SYS_sendto = 44, SYS_execve = 59, SYS_exit = 231, SYS_readlink = 267, SYS_dup3 = 292, SYS_memfd = 319, SYS_lseek = 8 };
static word call(word n, word a, word b, word c, word d, word e) {
  register word r10 __asm__("r10") = d, r8 __asm__("r8") = e;
  word result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call begin\n");
#elif defined(__aarch64__)
enum { SYS_read = 63, SYS_write = 64, SYS_socket = 198, SYS_connect = 203,
       SYS_setsockopt = 208, SYS_sendto = 206, SYS_execve = 221, SYS_exit = 94, SYS_readlink = 78, SYS_dup3 = 24, SYS_memfd = 279, SYS_lseek = 62 };
static word call(word n, word a, word b, word c, word d, word e) {
  register word x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register word x3 __asm__("x3") = d, x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x30,#0\n mov x0,sp\n and sp,x0,#-16\n bl begin\n");
#else
#error "amd64 and arm64 only; other machines use cni/main.ts"
#endif

enum { AT_FDCWD = -100, limit = 1 << 20, refused = 254, replySeconds = 90 };

static char request[limit + 65536], reply[limit + 512], config[limit + 1], self[4096 + 8];
static size used;
static char **environment;
static size configLength;

// The compiler may call these for loops and initialisers.
void *memcpy(void *to, const void *from, size n) {
  for (size i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}
void *memset(void *to, int value, size n) {
  for (size i = 0; i < n; i++) ((char *)to)[i] = (char)value;
  return to;
}
static size length(const char *text) {
  size n = 0;
  while (text[n]) n++;
  return n;
}
static int begins(const char *text, const char *prefix) {
  while (*prefix) if (*text++ != *prefix++) return 0;
  return 1;
}
static int same(const char *a, const char *b) { return begins(a, b) && length(a) == length(b); }

__attribute__((noreturn)) static void leave(word code) {
  for (;;) call(SYS_exit, code, 0, 0, 0, 0);
}
static int put(const char *bytes, size n) {
  if (used + n > sizeof request) return 0;
  memcpy(request + used, bytes, n);
  used += n;
  return 1;
}
static int putNumber(size value) {
  char digits[24];
  size at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10); while (value /= 10);
  return put(digits + at, sizeof digits - at);
}
static int writeAll(word fd, const char *bytes, size n) {
  while (n > 0) {
    word done = call(SYS_write, fd, (word)bytes, (word)n, 0, 0);
    if (done == -4) continue; // EINTR
    if (done <= 0) return 0;
    bytes += done, n -= (size)done;
  }
  return 1;
}
// As writeAll, to a socket whose other end may be gone: EPIPE, not SIGPIPE (MSG_NOSIGNAL).
static int sendAll(word fd, const char *bytes, size n) {
  while (n > 0) {
    word done = call(SYS_sendto, fd, (word)bytes, (word)n, 0x4000, 0);
    if (done == -4) continue;
    if (done <= 0) return 0;
    bytes += done, n -= (size)done;
  }
  return 1;
}
// Reads to the end of the file: bytes, or -1 on an error or when there are more than `room`.
static word readAll(word fd, char *into, size room) {
  size got = 0;
  for (;;) {
    word n = call(SYS_read, fd, (word)(into + got), (word)(room - got), 0, 0);
    if (n == -4) continue;
    if (n < 0) return -1;
    if (n == 0) return (word)got;
    got += (size)n;
    if (got == room) return -1;
  }
}

// Leaves the work to Node: same arguments by environment, and stdin as it was.
__attribute__((noreturn)) static void fallBack(const char *type, int consumed) {
  static char variable[64] = "PLEXUS_CNI_TYPE=";
  static char *variables[4096];
  size n = 0, typeLength = length(type);
  while (environment[n] && n < 4000) variables[n] = environment[n], n++;
  if (typeLength < 40) memcpy(variable + 16, type, typeLength), variables[n++] = variable;
  if (consumed) {
    word copy = call(SYS_memfd, (word) "stdin", 0, 0, 0, 0);
    if (copy >= 0 && writeAll(copy, config, configLength)) {
      call(SYS_lseek, copy, 0, 0, 0, 0);
      call(SYS_dup3, copy, 0, 0, 0, 0);
    }
  }
  word n2 = call(SYS_readlink, AT_FDCWD, (word) "/proc/self/exe", (word)self, 4096, 0);
  if (n2 > 0 && n2 < 4096) {
    memcpy(self + n2, "-node", 6);
    char *arguments[] = {self, 0};
    call(SYS_execve, (word)self, (word)arguments, (word)variables, 0, 0);
  }
  static const char lost[] = "{\n    \"code\": 11,\n    \"msg\": \"no Plexus agent answers and the plugin's own program cannot be "
                             "started\",\n    \"details\": \"run 'plexus cni install' again; it puts plexus-node beside the plugin\"\n}";
  writeAll(1, lost, sizeof lost - 1);
  leave(1);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

// The value of the top-level key "socket" in the configuration: 1 found, 0 not there, -1 beyond this parser.
static int socketPath(char *path, size room) {
  int depth = 0;
  for (size i = 0; i < configLength; i++) {
    char c = config[i];
    if (c == '{' || c == '[') depth++;
    else if (c == '}' || c == ']') depth--;
    else if (c == '"') {
      size start = ++i;
      while (i < configLength && config[i] != '"') i += config[i] == '\\' ? 2 : 1;
      if (depth != 1 || i - start != 6) continue;
      for (size k = 0; k < 6; k++) if (lower(config[start + k]) != "socket"[k]) goto next;
      size j = i + 1;
      while (j < configLength && (config[j] == ' ' || config[j] == '\t' || config[j] == '\n' || config[j] == '\r')) j++;
      if (j >= configLength || config[j++] != ':') continue; // a value, not a key
      while (j < configLength && (config[j] == ' ' || config[j] == '\t' || config[j] == '\n' || config[j] == '\r')) j++;
      if (j >= configLength || config[j++] != '"') return -1;
      size n = 0;
      for (; j < configLength && config[j] != '"'; j++, n++) {
        if (config[j] == '\\' || n + 1 >= room) return -1;
        path[n] = config[j];
      }
      path[n] = 0;
      return n > 0 ? 1 : -1;
    }
  next:;
  }
  return 0;
}

static size number(const char **at) {
  size value = 0;
  while (**at >= '0' && **at <= '9' && value < 100000000) value = value * 10 + (size)(*(*at)++ - '0');
  return value;
}

__attribute__((noreturn, used)) void begin(word *stack) {
  word count = stack[0];
  char **arguments = (char **)(stack + 1);
  environment = arguments + count + 1;
  const char *type = count > 0 ? arguments[0] : "plexus", *command = "";
  for (const char *c = type; *c; c++) if (*c == '/') type = c + 1;
  for (char **v = environment; *v; v++) if (begins(*v, "CNI_COMMAND=")) command = *v + 12;
  if (!same(command, "ADD") && !same(command, "DEL") && !same(command, "CHECK") && !same(command, "GC") && !same(command, "STATUS"))
    fallBack(type, 0); // VERSION, none at all, an unknown one: answered without an agent

  word got = readAll(0, config, sizeof config);
  if (got < 0) fallBack(type, 0);
  configLength = (size)got;

  // struct sockaddr_un
  static struct { unsigned short family; char path[108]; } address = {1, "/run/plexus/cni.sock"};
  if (socketPath(address.path, sizeof address.path) < 0) fallBack(type, 1);

  word namespace = call(SYS_readlink, AT_FDCWD, (word) "/proc/self/ns/net", (word)self, 64, 0); // net:[4026531840]
  if (namespace < 7) fallBack(type, 1);
  size variables = 0;
  for (char **v = environment; *v; v++)
    if (begins(*v, "CNI_") || begins(*v, "TRACEPARENT=") || begins(*v, "TRACESTATE=") || begins(*v, "BAGGAGE=")) variables += length(*v) + 1;
  int fits = put("PLEXUS-CNI/1 ", 13) && put(type, length(type)) && put(" ", 1) && put(self + 5, (size)namespace - 6) && put(" ", 1) &&
             putNumber(variables) && put(" ", 1) && putNumber(configLength) && put("\n", 1);
  for (char **v = environment; fits && *v; v++)
    if (begins(*v, "CNI_") || begins(*v, "TRACEPARENT=") || begins(*v, "TRACESTATE=") || begins(*v, "BAGGAGE=")) fits = put(*v, length(*v) + 1);
  if (!fits || !put(config, configLength)) fallBack(type, 1);

  word fd = call(SYS_socket, 1, 1 | 02000000, 0, 0, 0); // AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC
  if (fd < 0 || call(SYS_connect, fd, (word)&address, (word)(2 + length(address.path) + 1), 0, 0) < 0) fallBack(type, 1);
  long patience[2] = {replySeconds, 0};
  call(SYS_setsockopt, fd, 1, 20, (word)patience, sizeof patience); // SOL_SOCKET, SO_RCVTIMEO
  if (!sendAll(fd, request, used)) fallBack(type, 1);

  // The agent closes after its reply: 'PLEXUS-CNI/1 <exit code> <stdout length> <stderr length>\n' stdout stderr
  word end = readAll(fd, reply, sizeof reply - 1);
  if (end < 0 || !begins(reply, "PLEXUS-CNI/1 ")) fallBack(type, 1);
  const char *at = reply + 13;
  size code = number(&at);
  if (*at++ != ' ') fallBack(type, 1);
  size out = number(&at);
  if (*at++ != ' ') fallBack(type, 1);
  size err = number(&at);
  if (*at++ != '\n' || code == refused || (size)(reply + end - at) != out + err) fallBack(type, 1);
  if (err > 0) writeAll(2, at + out, err);
  leave(writeAll(1, at, out) ? (word)code : 1);
}
