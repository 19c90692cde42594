// The pooler stand-in: hands every connection on 6432 to the database.

import { connect, createServer } from "node:net";
import { log, setting } from "./plumbing.ts";

export function servePooler(): void {
  const host = setting("DB_HOST");
  createServer((client) => {
    const database = connect(5432, host);
    for (const socket of [client, database]) {
      socket.on("error", () => {
        client.destroy();
        database.destroy();
      });
    }
    client.pipe(database).pipe(client);
  }).listen(6432, () => log(`pooler (stand-in) passes 6432 to ${host}:5432`));
}
