import { RouteSocket } from '#netlink'

let routes: RouteSocket | undefined

/** A socket to the routes and links of the namespace this process runs in, open as long as it lives. */
export function hostRoutes(): RouteSocket {
  routes ??= new RouteSocket()
  return routes
}
