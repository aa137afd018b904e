/** Plugins of stream routes: those that mean something before bytes are understood. */
export const STREAM_PLUGINS: readonly string[] = ['ip-restriction', 'prometheus']
