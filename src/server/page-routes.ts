/**
 * The addresses of the web application. Each answers with the same page, which reads its own address.
 *
 * Every screen is an address that survives reload and can be sent to a colleague, so the list is here and an unknown
 * address is a true 404.
 */
import type { Route, RouteRequest } from "../core/http.ts";
import type { AssetServer, Assets } from "./assets.ts";
import type { Layer } from "./exchange.ts";
import { isSafe } from "./exchange.ts";
import { unknown, wrongMethod } from "./router.ts";

const PAGES: Readonly<Record<string, string>> = {
  "/": "The web application: setup before, overview after",
  "/login": "Page: log in",
  "/claim": "Page: set the management password",
  "/setup": "Page: the setup wizard; `?token=` is exchanged for a session and taken out of the address",
  "/setup/:step": "Page: one step of the setup wizard",
  "/overview": "Page: the overview",
  "/components": "Page: the components and their state",
  "/components/:name": "Page: one component with its pods, warnings and logs",
  "/operations": "Page: all operations",
  "/operations/:id": "Page: one operation with its journal",
  "/updates": "Page: updates, the policy, and what was changed",
  "/updates/review": "Page: what an update will change, before it starts; `?channel=`, `?version=` or `?digest=`",
  "/host": "Page: the host and its network, over the last hours",
  "/events": "Page: the cluster's events",
  "/help/:area/:name": "Page: what one check code means",
  "/settings": "Page: name, password, sessions, colors",
  "/ui-kit": "Page: every part of the web application",
};

export interface PageEdge {
  readonly assets: Assets;
  readonly server: AssetServer;
  /** Exchanges the token of a setup link. */
  readonly exchangeLink: (request: RouteRequest, token: string) => Promise<Response>;
}

/** The pages of the web application; a setup token in the query is traded for a session and leaves the address. */
export function pageRoutes(edge: PageEdge): readonly Route[] {
  return Object.entries(PAGES).map(([path, summary]) => ({
    method: "GET",
    path,
    access: "public",
    summary,
    handle: async (request) => {
      const token = path === "/setup" ? request.url.searchParams.get("token") : null;
      return token === null
        ? await edge.server.serve(edge.assets.page, request.request)
        : await edge.exchangeLink(request, token);
    },
  }));
}

/** Answers what is no route: a file of the application, else 404, as a page for people and as a problem for programs. */
export function assetFiles(edge: Pick<PageEdge, "assets" | "server">): Layer {
  return () => async (exchange) => {
    const { request, url } = exchange;
    const asset = edge.assets.get(url.pathname);
    if (asset === undefined) {
      const wantsPage = isSafe(request.method) && (request.headers.get("accept") ?? "").includes("text/html");
      if (wantsPage) return await edge.server.serve(edge.assets.page, request, { status: 404 });
      throw unknown(url.pathname);
    }
    return isSafe(request.method) ? await edge.server.serve(asset, request) : wrongMethod(request.method, ["GET"]);
  };
}
