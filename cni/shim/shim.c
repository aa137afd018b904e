/*
 * The CNI executable where a C compiler was at hand: hands environment and stdin to the agent's socket and copies the
 * reply, in well under a millisecond (Node alone takes twenty to start). The protocol is in ../handover/frame.ts; the
 * behaviour is that of ../main.ts, which is run instead whenever anything is not plain: no agent, a refusal, a large or
 * unusual request. Freestanding: no libc, two architectures.
 */
typedef unsigned long size;
typedef long word;

#define EXPORT __attribute__((used))

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, LSEEK = 8, SOCKET = 41, CONNECT = 42, DUP2 = 33, SETSOCKOPT = 54, EXECVE = 59, EXIT = 231, NANOSLEEP = 35, SENDTO = 44, READLINKAT = 267, MEMFD = 319 };
static word call(word n, word a, word b, word c, word d, word e) {
  register word r10 __asm__("r10") = d;
  register word r8 __asm__("r8") = e;
  word result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start:\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call begin\n");
#elif defined(__aarch64__)
/* dup3 in the place of dup2: the same with a third argument of 0. */
enum { READ = 63, WRITE = 64, CLOSE = 57, LSEEK = 62, SOCKET = 198, CONNECT = 203, DUP2 = 24, SETSOCKOPT = 208, EXECVE = 221, EXIT = 94, NANOSLEEP = 101, SENDTO = 206, READLINKAT = 78, MEMFD = 279 };
static word call(word n, word a, word b, word c, word d, word e) {
  register word x8 __asm__("x8") = n;
  register word x0 __asm__("x0") = a;
  register word x1 __asm__("x1") = b;
  register word x2 __asm__("x2") = c;
  register word x3 __asm__("x3") = d;
  register word x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl begin\n");
#else
#error "no system calls for this architecture"
#endif

enum { LIMIT = 1 << 20, HEAD = 256, PATH = 4096, AT_FDCWD = -100, REFUSED = 254, REPLY_SECONDS = 90 };
/* Without a launcher there is nothing but to wait for the agent: a tenth of a second between tries. */
enum { TRIES = 100, PAUSE_NS = 100000000 };
enum { MSG_NOSIGNAL = 0x4000 };
enum outcome { ABSENT, LOST, REFUSAL, REPLIED };

static char input[LIMIT + 1], variables[1 << 16], reply[LIMIT + HEAD], request[HEAD + (1 << 16) + LIMIT], self[PATH];
static char *child_environment[4096];
/* Lengths of `request`, `variables` and `input`; and what came back, parts of `reply`. */
static size request_length, used, read_length, code, out_length, err_length;
static const char *out;
static struct { unsigned short family; char path[108]; } address = {1, {0}};
static size path_length;

/* The compiler may turn loops into calls of these. */
EXPORT void *memcpy(void *to, const void *from, size n) {
  for (size i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}
EXPORT void *memset(void *to, int value, size n) {
  for (size i = 0; i < n; i++) ((volatile char *)to)[i] = (char)value;
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
static int write_all(int fd, const char *bytes, size n) {
  while (n > 0) {
    word done = call(WRITE, fd, (word)bytes, (word)n, 0, 0);
    if (done == -4 || done == -11) continue; /* EINTR, EAGAIN */
    if (done <= 0) return 0;
    bytes += done;
    n -= (size)done;
  }
  return 1;
}
/* Like write_all to a socket; a reader that has died is no reason to be killed by SIGPIPE. */
static int send_all(int fd, const char *bytes, size n) {
  while (n > 0) {
    word done = call(SENDTO, fd, (word)bytes, (word)n, MSG_NOSIGNAL, 0);
    if (done == -4) continue; /* EINTR */
    if (done <= 0) return 0;
    bytes += done;
    n -= (size)done;
  }
  return 1;
}
static char *put(char *to, const char *text) {
  while (*text) *to++ = *text++;
  return to;
}
static char *put_number(char *to, size value) {
  char digits[20];
  int n = 0;
  do digits[n++] = (char)('0' + value % 10); while (value /= 10);
  while (n) *to++ = digits[--n];
  return to;
}
static size number(const char **text) {
  size value = 0;
  while (**text >= '0' && **text <= '9' && value <= LIMIT) value = value * 10 + (size)(*(*text)++ - '0');
  return value;
}

/*
 * Runs the launcher of main.ts with what was read of stdin as its stdin. `lost`: an agent died with the request. Returns
 * where there is no launcher: this file was installed for an agent that lives in a container.
 */
static void run_node(const char *type, char **environment, int lost) {
  word fd = call(MEMFD, (word) "stdin", 0, 0, 0, 0);
  if (fd >= 0 && write_all((int)fd, input, read_length)) {
    /* More than the agent takes: the rest is still to be read. */
    if (read_length == LIMIT) for (word n; (n = call(READ, 0, (word)input, LIMIT, 0, 0)) > 0;) write_all((int)fd, input, (size)n);
    call(LSEEK, fd, 0, 0, 0, 0);
    call(DUP2, fd, 0, 0, 0, 0);
    call(CLOSE, fd, 0, 0, 0, 0);
  }
  size count = 0;
  while (environment[count] && count < 4090) child_environment[count] = environment[count], count++;
  if (lost) child_environment[count++] = "PLEXUS_CNI_LOST=1";
  /* Installed: <directory>/.plexus-launcher beside this file. Otherwise this file is <root>/dist/cni/shim. */
  word n = call(READLINKAT, AT_FDCWD, (word) "/proc/self/exe", (word)self, PATH - 32, 0);
  const char *const launchers[] = {"/.plexus-launcher", "/bin/cni/plexus"};
  for (int at = 0, slashes = 0; at < 2; at++) {
    for (int wanted = at == 0 ? 1 : 3; n > 0 && slashes < wanted; n--) if (self[n - 1] == '/') slashes++;
    if (n < 0) n = 0;
    *put(self + n, launchers[at]) = 0;
    const char *arguments[] = {self, type, 0};
    call(EXECVE, (word)self, (word)arguments, (word)child_environment, 0, 0);
  }
}

/* Value of the top-level key "socket"; the default if there is none, 0 if it needs a real JSON parser. */
static size find_socket(char *path, size room) {
  const char *standard = "/run/plexus/cni.sock";
  int depth = 0;
  for (const char *at = input; *at; at++) {
    if (*at == '{' || *at == '[') depth++;
    if (*at == '}' || *at == ']') depth--;
    if (*at != '"') continue;
    int wanted = depth == 1 && begins(at, "\"socket\"");
    for (at++; *at && *at != '"'; at++) if (*at == '\\' && at[1]) at++;
    if (!*at) break;
    if (!wanted) continue;
    const char *value = at + 1;
    while (*value == ' ' || *value == '\n' || *value == '\t' || *value == '\r') value++;
    if (*value++ != ':') continue;
    while (*value == ' ' || *value == '\n' || *value == '\t' || *value == '\r') value++;
    if (*value++ != '"') return 0;
    size n = 0;
    for (; value[n] != '"'; n++) {
      if (n + 1 >= room || value[n] == '\\' || !value[n]) return 0;
      path[n] = value[n];
    }
    path[n] = 0;
    return n;
  }
  *put(path, standard) = 0;
  return length(standard);
}

/* The agent's reply, whole: 1 with its parts, else 0. */
static int read_reply(int fd) {
  size have = 0;
  for (;;) {
    word n = call(READ, fd, (word)(reply + have), (word)(sizeof reply - 1 - have), 0, 0);
    if (n == -4) continue;
    if (n <= 0) return 0;
    have += (size)n;
    reply[have] = 0;
    const char *at = reply;
    while (*at && *at != '\n') at++;
    if (!*at) continue;
    if (!begins(reply, "PLEXUS-CNI/1 ")) return 0;
    const char *field = reply + 13;
    code = number(&field);
    if (*field++ != ' ') return 0;
    out_length = number(&field);
    if (*field++ != ' ') return 0;
    err_length = number(&field);
    if (field != at || out_length + err_length > LIMIT) return 0;
    out = at + 1;
    if (have >= (size)(at + 1 - reply) + out_length + err_length) return 1;
  }
}

/* One request to the agent and its reply. */
static enum outcome ask(void) {
  word fd = call(SOCKET, 1, 1 | 02000000, 0, 0, 0);
  if (fd < 0) return ABSENT;
  enum outcome result = ABSENT;
  if (call(CONNECT, fd, (word)&address, (word)(2 + path_length + 1), 0, 0) >= 0) {
    word timeout[2] = {REPLY_SECONDS, 0};
    call(SETSOCKOPT, fd, 1, 20, (word)timeout, sizeof timeout); /* SO_RCVTIMEO */
    result = !send_all((int)fd, request, request_length) || !read_reply((int)fd) ? LOST : code == REFUSED ? REFUSAL : REPLIED;
  }
  call(CLOSE, fd, 0, 0, 0, 0);
  return result;
}

static _Noreturn void finish(void) {
  write_all(2, out + out_length, err_length);
  write_all(1, out, out_length);
  for (;;) call(EXIT, (word)code, 0, 0, 0, 0);
}

/* CNI_COMMAND of the request, in place: ADD and DEL are of one length. */
static void command_to_send(const char *command) {
  char *sent = request + (request_length - read_length - used);
  for (size at = 0; at < used; at += length(sent + at) + 1)
    if (begins(sent + at, "CNI_COMMAND=")) memcpy(sent + at + 12, command, 3);
}

/* Waits for the agent to come back. What it may have half done of an ADD when it died is undone first. */
static void ask_again(int is_add, enum outcome last) {
  for (int tries = 0; tries < TRIES; tries++) {
    word pause[2] = {0, PAUSE_NS};
    call(NANOSLEEP, (word)pause, 0, 0, 0, 0);
    if (last == LOST && is_add) {
      command_to_send("DEL");
      enum outcome undone = ask();
      command_to_send("ADD");
      if (undone != REPLIED) continue;
    }
    enum outcome now = ask();
    if (now == REPLIED) finish();
    if (now != ABSENT) last = now;
  }
}

EXPORT void begin(word *stack) {
  char **arguments = (char **)(stack + 1);
  char **environment = arguments + stack[0] + 1;
  /* The plugin's name: that of the link, unless bin/cni/plexus passes it on. */
  const char *type = stack[0] > 1 ? arguments[1] : stack[0] > 0 ? arguments[0] : "plexus";
  for (const char *at = type; *at; at++) if (*at == '/') type = at + 1;

  const char *command = "";
  for (char **at = environment; *at; at++) {
    if (begins(*at, "CNI_COMMAND=")) command = *at + 12;
    if (!begins(*at, "CNI_") && !begins(*at, "TRACEPARENT=") && !begins(*at, "TRACESTATE=") && !begins(*at, "BAGGAGE=")) continue;
    size n = length(*at) + 1;
    if (used + n > sizeof variables) command = "";
    else memcpy(variables + used, *at, n), used += n;
  }
  if (begins(command, "VERSION") && !command[7]) {
    const char text[] = "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}";
    write_all(1, text, sizeof text - 1);
    call(EXIT, 0, 0, 0, 0, 0);
  }
  while (*command && read_length < LIMIT) {
    word n = call(READ, 0, (word)(input + read_length), (word)(LIMIT - read_length), 0, 0);
    if (n == -4) continue;
    if (n <= 0) break;
    read_length += (size)n;
  }
  input[read_length] = 0;

  path_length = find_socket(address.path, sizeof address.path);
  char netns[64] = {0};
  int plain = *command && path_length > 0 && read_length + used < LIMIT && length(input) == read_length && length(type) <= 32;
  enum outcome last = ABSENT;
  if (plain && call(READLINKAT, AT_FDCWD, (word) "/proc/self/ns/net", (word)netns, sizeof netns - 1, 0) >= 6) {
    char *at = put(put(put(request, "PLEXUS-CNI/1 "), type), " ");
    for (const char *digit = netns; *digit; digit++) if (*digit >= '0' && *digit <= '9') *at++ = *digit;
    at = put_number(put(put_number(put(at, " "), used), " "), read_length);
    *at++ = '\n';
    memcpy(at, variables, used);
    memcpy(at + used, input, read_length);
    request_length = (size)(at - request) + used + read_length;
    last = ask();
    if (last == REPLIED) finish();
  }
  run_node(type, environment, last == LOST);
  if (request_length > 0) ask_again(begins(command, "ADD") && !command[3], last);
  const char failure[] =
    "{\"cniVersion\":\"1.1.0\",\"code\":11,\"msg\":\"the Plexus agent does not answer on its socket, and there is no launcher beside this plugin to do the work without it\","
    "\"details\":\"is the agent running on this node, and in the node's network namespace? plexus cni install puts a launcher in place\"}";
  write_all(1, failure, sizeof failure - 1);
  for (;;) call(EXIT, 1, 0, 0, 0, 0);
}
