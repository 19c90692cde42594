/**
 * The name of this appliance on screens: chosen in the settings, else given by the host.
 *
 * It lies in `name.json` of the state folder, written whole or not at all. It names nothing else: the identity of the box,
 * its certificates and its objects in the cluster do not change with it, so no operation and no journal is needed.
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import { type FieldProblem, json, type Route } from "../core/http.ts";
import type { StateStore } from "../operation/store.ts";
import { harmless } from "./evidence.ts";

const NAME_SCHEMA = "alga.appliance.name/v1";
const nameSchema = z.object({ schema: z.literal(NAME_SCHEMA), name: z.string().min(1).max(1_000) });
const bodySchema = z.object({ name: z.string().max(1_000) });

/** Fits on one line of the console and of the page's rail. Counted in characters as people see them. */
export const MAX_NAME = 63;

/** What the settings show. */
export interface NameAnswer {
  /** What screens show now. */
  readonly name: string;
  /** The name that was chosen; null: the one of the host is shown. */
  readonly chosen: string | null;
}

/** The chosen name; undefined when none was chosen. @throws {ApplianceError} file/corrupt as `readDocument` does. */
export async function readChosenName(store: Pick<StateStore, "readDocument">): Promise<string | undefined> {
  return (await store.readDocument("name", nameSchema))?.name;
}

/** What the routes work on. */
export interface NameEdge {
  readonly store: Pick<StateStore, "readDocument" | "writeDocument" | "removeDocument">;
  /** Shown while no name was chosen. */
  readonly fallback: string;
  /** Told after the name changed, so that the status is made anew. */
  readonly changed: () => void;
}

/** `GET` and `PUT /api/settings/name`. An empty name returns to the one of the host. Safe to call again. */
export function nameRoutes(edge: NameEdge): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/settings/name",
      access: "session",
      summary: "The name on screens, and whether it was chosen here or is the host's",
      handle: async () => json(await answer(edge)),
    },
    {
      method: "PUT",
      path: "/api/settings/name",
      access: "session",
      summary: "Chooses the name on screens, at most 63 characters; an empty one returns to the name of the host",
      handle: async ({ body }) => {
        const name = parseName(body);
        if (name === "") await edge.store.removeDocument("name");
        else await edge.store.writeDocument("name", { schema: NAME_SCHEMA, name });
        edge.changed();
        return json(await answer(edge));
      },
    },
  ];
}

async function answer({ store, fallback }: NameEdge): Promise<NameAnswer> {
  const chosen = await readChosenName(store);
  return { name: chosen ?? fallback, chosen: chosen ?? null };
}

/**
 * The name as it is kept: one line, without blanks around it.
 *
 * @throws {ApplianceError} json/shape when there is none; setup/invalid-answers when it is too long or steers a screen.
 */
export function parseName(body: unknown): string {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    throw new ApplianceError("json/shape", 'Cannot read the request body: "name" is missing, a text is wanted');
  }
  const name = parsed.data.name.normalize("NFC").trim();
  if ([...name].length > MAX_NAME) {
    throw refused(name, `it has ${[...name].length} characters, at most ${MAX_NAME} are wanted`);
  }
  if (harmless(name) !== name || /\s/u.test(name.replaceAll(" ", ""))) {
    throw refused(name, "it holds characters that steer a screen, letters, digits, marks and blanks are wanted");
  }
  return name;
}

function refused(name: string, why: string): ApplianceError {
  const errors: readonly FieldProblem[] = [
    { field: "name", code: "name", detail: `This name cannot be used: ${why}.` },
  ];
  const shown = harmless(name).slice(0, 80);
  return new ApplianceError("setup/invalid-answers", `Cannot use the name "${shown}": ${why}`, { details: { errors } });
}
