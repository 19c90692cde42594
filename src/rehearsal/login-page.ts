/** The application's login page, as the sample release's web application serves it. */

import type { Kube } from "../kube/calls.ts";
import { textAt } from "../kube/model.ts";
import { DEPLOYMENT, isTrue } from "./actors/actor.ts";

const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head>
<body><main><h1>Sign in</h1><p>This is the rehearsed application. Nobody can log in here.</p>
<form method="post" action="/auth/signin"><label>Email <input type="email" name="email"></label>
<label>Password <input type="password" name="password"></label><button>Sign in</button></form></main></body></html>
`;

/** Tells whether the application's Deployment serves now. */
export async function isApplicationServing(kube: Kube): Promise<boolean> {
  const application = await kube.get({ ...DEPLOYMENT, namespace: "msp", name: "alga-core-sebastian" });
  return isTrue(application, "Available") && textAt(application, "metadata", "name") !== undefined;
}

/** Answers as the application does: `/` leads to the sign-in page; 503 while it does not serve. */
export async function answerAsApplication(kube: Kube, request: Request): Promise<Response> {
  if (!(await isApplicationServing(kube))) return new Response("The application has not started\n", { status: 503 });
  const url = new URL(request.url);
  if (url.pathname === "/") return new Response(null, { status: 302, headers: { location: "/auth/signin" } });
  if (url.pathname !== "/auth/signin") return new Response("Not found\n", { status: 404 });
  return new Response(PAGE, { headers: { "content-type": "text/html; charset=utf-8" } });
}
