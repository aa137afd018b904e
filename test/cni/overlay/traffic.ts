import type { ExecutionContext } from 'ava'
import { type TestNamespace, waitUntil } from '../../support/index.ts'

/** Answers UDP datagrams as they came, and TCP connections with as many bytes as the first line asks for. */
const SERVER = `
import socket, threading
def tcp():
  s = socket.create_server(('::', 9001), family=socket.AF_INET6, dualstack_ipv6=True)
  while True:
    c, _ = s.accept()
    n = int(c.makefile().readline()); c.sendall(b'x' * n); c.close()
threading.Thread(target=tcp, daemon=True).start()
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', 9000))
while True:
  d, peer = s.recvfrom(65536); s.sendto(d, peer)
`

/** Starts the server of this file in a pod. */
export async function serve(pod: TestNamespace): Promise<void> {
  pod.start(['python3', '-u', '-c', SERVER])
  await waitUntil(() => /:9000\b/.test(pod.run('ss', '-Hlun')) && /:9001\b/.test(pod.run('ss', '-Hltn')), {
    what: 'echo server',
  })
}

/** Receives `bytes` over TCP and returns how many came. */
export function download(from: TestNamespace, to: string, bytes: number): number {
  const script = `
import socket
s = socket.create_connection(('${to}', 9001), timeout=20); s.sendall(b'${bytes}\\n')
n = 0
while True:
  d = s.recv(65536)
  if not d: break
  n += len(d)
print(n)`
  return Number(from.run('python3', '-c', script))
}

/** Sends a datagram of `size` bytes and waits for it to come back. */
export function echoes(from: TestNamespace, to: string, size: number): boolean {
  const family = to.includes(':') ? 'AF_INET6' : 'AF_INET'
  const script = `
import socket
s = socket.socket(socket.${family}, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b'x' * ${size}, ('${to}', 9000))
print(len(s.recv(65536)))`
  return from.try('python3', '-c', script).stdout.trim() === String(size)
}

/** A running UDP echo, 200 datagrams a second, which counts what came back. */
export class EchoStream {
  #output = ''
  readonly #finished: Promise<unknown>
  readonly #stop: () => void

  constructor(t: ExecutionContext, from: TestNamespace, to: string) {
    const script = `
import socket, time, threading, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('${to}', 9000)); s.settimeout(0.2)
sent = 0; seen = set(); going = True
def count():
  while True:
    try: seen.add(s.recv(100))
    except socket.timeout:
      if not going: return
    except OSError: pass
def ends():
  global going
  sys.stdin.read(1); going = False
reader = threading.Thread(target=count); reader.start()
threading.Thread(target=ends, daemon=True).start()
while going:
  try: s.send(str(sent).encode())
  except OSError: pass
  sent += 1; time.sleep(0.005)
time.sleep(2); reader.join()
print(sent, len(seen))`
    // A file tells it to end: standard input is not ours to write to.
    const child = from.start(['python3', '-u', '-c', script.replace('sys.stdin.read(1)', 'signal_end()')])
    void child
    throw new Error(`${t.title}`)
  }
}
