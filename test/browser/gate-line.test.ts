/** What the gate says of the line, on the real control plane: the way over to TLS, and the certificate to compare there. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { networkInterfaces } from "node:os";
import { connect } from "node:tls";
import { browserTest, chromiumTest, openBrowser } from "./browser.ts";
import { startRehearsal } from "./rehearsal.ts";
import { heading, MOCK_PASSWORD, openConsole } from "./steps.ts";

/** An address of this machine that is not the machine itself to a browser; undefined where there is none. */
function otherAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flat()
    .find((one) => one !== undefined && !one.internal && one.family === "IPv4")?.address;
}

function certificateAt(host: string, port: number): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw));
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

const address = otherAddress();

if (address === undefined) console.log("skipped: the gate over the network (this machine has no address but its own)");
else {
  chromiumTest(
    "the plain gate leads over to TLS, where the box is claimed and the line is not doubted any more",
    async () => {
      const rehearsal = await startRehearsal({ words: ["--listen", "0.0.0.0", "--tls-port", "0"] });
      const browser = await openBrowser();
      try {
        const plain = rehearsal.url.replace("0.0.0.0", address);
        const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
        await page.goto(`${plain}/setup`);
        await heading(page, "Open this box");
        const over = page.locator(".cause a", { hasText: "Go over to TLS" });
        const to = new URL((await over.getAttribute("href")) ?? "");
        assert.deepEqual([to.protocol, to.hostname], ["https:", address]);
        await over.click();
        await page.waitForURL(`${to.origin}/**`);
        await heading(page, "Open this box");
        assert.equal(await page.locator(".cause").count(), 0);
        const certificate = await certificateAt(address, Number(to.port));
        assert.equal(certificate.checkIP(address), address);
        const short = certificate.fingerprint256.split(":").slice(0, 10);
        await page.goto(`${to.origin}/setup?token=${rehearsal.token}#sha256=${short.join("")}`);
        await heading(page, "Choose the management password");
        await page.locator(".cause", { hasText: short.join(":") }).waitFor();
        await page.locator("#field-password").fill(MOCK_PASSWORD);
        await page.locator("#field-again").fill(MOCK_PASSWORD);
        await page.keyboard.press("Enter");
        await heading(page, "Set up this box");
        const [cookie] = await page.context().cookies(to.origin);
        assert.deepEqual(
          [cookie?.name, cookie?.secure, cookie?.httpOnly],
          ["__Host-alga_appliance_session", true, true],
        );
      } finally {
        await browser.close();
        await rehearsal.stop();
      }
    },
  );
}

browserTest("on the machine itself the gate does not doubt the line", {}, async ({ page, server }) => {
  await page.goto(`${server.url}/setup`);
  await heading(page, "Open this box");
  assert.equal(await page.locator(".cause").count(), 0);
});

browserTest("the settings tell who opened the box, and who was refused", {}, async (visit) => {
  await openConsole(visit, "/settings");
  const card = visit.page.locator(".card", { hasText: "Who opened this box" });
  await card.locator("dd", { hasText: "from 192.0.2.20, over TLS" }).waitFor();
  await card.locator("dd", { hasText: "refused: a second claim from 203.0.113.9, not encrypted" }).waitFor();
});
