// The bootstrap job stand-in: takes tenant and administrator from the Secret `appliance-initial-tenant` (envFrom) into the
// database, once. Fails as the real one does when a value is missing, and by order when LAB_BOOTSTRAP_FAILS says why: then
// at once and for good (the chart's podFailurePolicy), as the real one does for wrong database credentials.

import { log, messageOf, pause, setting } from "./plumbing.ts";
import { readTable, type UserRow, writeTable } from "./tables.ts";

const WAIT_TRIES = 150;
/** Exit code after which the chart's Job is not tried again. */
const FATAL = 42;

export async function runBootstrapJob(): Promise<void> {
  const order = process.env.LAB_BOOTSTRAP_FAILS;
  if (order !== undefined && order !== "") {
    log(`ERROR: ${order}`);
    process.exit(FATAL);
  }
  try {
    await databaseAnswers();
    if ((await readTable("users"))?.length) return log("users are there already, nothing to do");
    const user = administrator();
    await writeTable("tenants", [{ name: setting("INITIAL_TENANT_NAME"), id: process.env.INITIAL_TENANT_ID ?? null }]);
    await writeTable("users", [user]);
    log(`created tenant and administrator`);
  } catch (problem) {
    log(`ERROR: ${messageOf(problem)}`);
    process.exit(1);
  }
}

function administrator(): UserRow {
  const hash = process.env.INITIAL_ADMIN_PASSWORD_HASH ?? "";
  if (hash !== "" && !/^[0-9a-f]+:[0-9a-f]+$/.test(hash))
    throw new Error("INITIAL_ADMIN_PASSWORD_HASH is not <salt hex>:<hash hex>");
  if (hash !== "" && setting("INITIAL_ADMIN_PASSWORD_ALGORITHM") !== "pbkdf2-sha512")
    throw new Error("unknown password algorithm");
  return {
    email: setting("INITIAL_ADMIN_EMAIL"),
    firstName: setting("INITIAL_ADMIN_FIRST_NAME"),
    lastName: setting("INITIAL_ADMIN_LAST_NAME"),
    passwordHash: hash,
    password: hash === "" ? setting("INITIAL_ADMIN_PASSWORD") : "",
    iterations: hash === "" ? 0 : Number(setting("INITIAL_ADMIN_PASSWORD_ITERATIONS")),
    keyLength: hash === "" ? 0 : Number(setting("INITIAL_ADMIN_PASSWORD_KEY_LENGTH")),
  };
}

async function databaseAnswers(): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await readTable("users");
      return;
    } catch (problem) {
      log(messageOf(problem));
      if (tries >= WAIT_TRIES || messageOf(problem).includes("401")) throw problem;
      await pause(2_000);
    }
  }
}
