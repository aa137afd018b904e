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
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE: what waits for this process is not lost
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
s = socket.create_connection(('${to}', 9001), timeout=30); s.sendall(b'${bytes}\\n')
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
s = socket.socket(socket.${family}, socket.SOCK_DGRAM); s.settimeout(20); s.sendto(b'x' * ${size}, ('${to}', 9000))
print(len(s.recv(65536)))`
  return from.try('python3', '-c', script).stdout.trim() === String(size)
}

/** Sends numbered datagrams until SIGTERM, then prints how many it sent and how many different ones came back. */
const STREAM = `
import signal, socket, sys, threading, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], 9000)); s.settimeout(0.2)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)
going = True; done = False; seen = set(); sent = 0
def end(*_):
  global going
  going = False
signal.signal(signal.SIGTERM, end)
def count():
  while not done:
    try: seen.add(s.recv(100))
    except OSError: pass
reader = threading.Thread(target=count); reader.start()
while going:
  try: s.send(str(sent).encode())
  except OSError: pass
  sent += 1; time.sleep(0.005)
for _ in range(600):
  if len(seen) == sent: break
  time.sleep(0.05)
done = True; reader.join(); print(sent, len(seen))
`

/** Keeps a UDP echo running, 200 datagrams a second; the function returned ends it and tells the counts. */
export async function echoStream(
  from: TestNamespace,
  to: string,
): Promise<() => Promise<{ sent: number; lost: number }>> {
  const child = from.start(['python3', '-u', '-c', STREAM, to])
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await waitUntil(() => from.run('ss', '-Hun', 'dst', to).trim() !== '', { what: 'echo stream' })
  return async () => {
    child.kill('SIGTERM')
    await waitUntil(() => output.includes('\n'), { what: 'counts of the echo stream', timeoutMs: 60_000 })
    const [sent = 0, seen = 0] = output.trim().split(' ').map(Number)
    return { sent, lost: sent - seen }
  }
}
