export { StreamListener } from './stream-listener.ts'
export { STREAM_PLUGINS, StreamTable } from './stream-table.ts'
export { UdpListener } from './udp-listener.ts'
