/**
 * The fault table of `docs/faults.md`, as far as the package alone shows it; `product.spec.ts` has
 * what needs the page or another process. Every fault is told by its error, and nothing is lost:
 * when it is gone, the same page writes the program's tokens.
 */

import { readFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";
import { expect, type Page, test } from "@playwright/test";
import type * as Package from "../../web/dist/index.js";
import { TINY_MODEL } from "./caption-page.js";
import { type Fault, FaultyServer, PARTS, SHARDS } from "./faulty-server.js";
import { PHOTOS } from "./fixtures.js";
import { nativeCaptions } from "./native.js";
import { pathInClone } from "./package-server.js";

const [PHOTO = ""] = PHOTOS;
const IMAGES = new URL("../fixtures/images/", import.meta.url);

const server = new FaultyServer();

/** What the program writes for the photo. */
let tokenIds: readonly number[];

test.beforeAll(async () => {
  await server.start();
  [{ tokenIds } = { tokenIds: [] }] = await nativeCaptions(TINY_MODEL, [PHOTO]);
});

test.afterAll(() => server.close());

test.beforeEach(async ({ page }) => {
  server.heal();
  await page.goto(server.origin);
});

/** What came of an attempt. */
interface Outcome {
  /** Of the error, if there was one. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly tokenIds?: readonly number[] | undefined;
  readonly events: readonly Package.LoadEvent[];
  /** Milliseconds between the abort and the error. */
  readonly abortMs?: number | undefined;
}

/** How the model is loaded. */
interface Attempt {
  /** The CPU by default. */
  readonly device?: Package.DevicePreference;
  /** Its address; that of the server's model by default. */
  readonly url?: string;
  /** The status of the event at which it is stopped; also a moment after the start, and the first token. */
  readonly abortAt?: Package.LoadEvent["status"] | "start" | "token" | undefined;
}

/** Loads the model and captions the photo, unless it is stopped before. */
function attempt(
  page: Page,
  { url = "/model/model.json", device = "cpu", abortAt }: Attempt = {},
): Promise<Outcome> {
  return page.evaluate(
    async ({ photo, url, device, abortAt }): Promise<Outcome> => {
      const { Flamingo, FlamingoError } = (await import(
        /* @vite-ignore */ `${location.origin}/web/dist/index.js`
      )) as typeof Package;
      const events: Package.LoadEvent[] = [];
      const controller = new AbortController();
      let aborted = 0;
      const abort = () => {
        aborted ||= performance.now();
        controller.abort();
      };
      if (abortAt === "start") setTimeout(abort, 300);
      let model: Package.Flamingo | undefined;
      try {
        model = await Flamingo.load(url, {
          device,
          signal: controller.signal,
          onProgress: (event) => {
            events.push(event);
            if (event.status === abortAt) abort();
          },
        });
        const image = await (await fetch(photo)).blob();
        const stream = model.session().caption(image, { signal: controller.signal });
        for await (const _ of stream) if (abortAt === "token") abort();
        const { tokenIds } = await stream.result;
        return { events, tokenIds };
      } catch (error) {
        if (!(error instanceof FlamingoError)) throw error;
        const abortMs = aborted === 0 ? undefined : performance.now() - aborted;
        return { events, code: error.code, message: error.message, abortMs };
      } finally {
        model?.dispose();
      }
    },
    { photo: pathInClone(PHOTO), url, device, abortAt },
  );
}

const warnings = ({ events }: Outcome) =>
  events.flatMap((event) => (event.status === "warning" ? [event.code] : []));

const messages = ({ events }: Outcome) =>
  events.flatMap((event) => (event.status === "warning" ? [event.message] : []));

/** The warning of a full disk: the numbers are the browser's. */
const QUOTA =
  /^There is no room for the model in (opfs|cache-storage) \(.+\); the rest of the model goes to memory\. Free space on the disk, or remove other models\.$/;

/** Bytes of the model that an attempt found kept. */
const keptBytes = ({ events }: Outcome) =>
  events.find((event) => event.status === "cache")?.cachedBytes;

/** Everything is well: the program's tokens. */
async function expectCaption(page: Page, how?: Attempt): Promise<Outcome> {
  const outcome = await attempt(page, how);
  expect(outcome.message).toBeUndefined();
  expect(outcome.tokenIds).toEqual(tokenIds);
  return outcome;
}

const forget = (page: Page) =>
  page.evaluate(async () => {
    const { Flamingo } = (await import(
      /* @vite-ignore */ `${location.origin}/web/dist/index.js`
    )) as typeof Package;
    await Flamingo.remove("/model/model.json");
  });

/** Bytes of all models that are kept. */
const cachedBytes = (page: Page) =>
  page.evaluate(async () => {
    const { Flamingo } = (await import(
      /* @vite-ignore */ `${location.origin}/web/dist/index.js`
    )) as typeof Package;
    return (await Flamingo.cached()).reduce((sum, { bytes }) => sum + bytes, 0);
  });

const escaped = (file: string) =>
  `${server.origin}/model/${file}`.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A fault of a file, the code of its error, and its message. */
type FileFault = readonly [name: string, Fault, code: string, message: (url: string) => string];

/** What can be wrong with any file. */
const FILE_FAULTS: readonly FileFault[] = [
  [
    "whose connection is cut",
    "cut",
    "network",
    (url) => `The connection failed while fetching ${url}. Check the network and try again.`,
  ],
  [
    "that is not there",
    "missing",
    "http-status",
    (url) =>
      `The server answered 404 for ${url}. Check the address; a model's shards must lie in the folder of its model.json.`,
  ],
  [
    "with a web page in its place",
    "html",
    "html-instead-of-file",
    (url) =>
      `${url} is a web page, not a file of a model or an image. The server may answer missing files with its start page, or ask for a login.`,
  ],
];

/** The list of 300 shards of 16 MiB. */
const FIVE_GB = Array.from({ length: 300 }, (_, i) => ({
  file: `part-${i}.bin`,
  bytes: 1 << 24,
  sha256: "0".repeat(64),
}));

test.describe("a model.json", () => {
  for (const [name, fault, code, message] of FILE_FAULTS) {
    test(`${name} is told, and the next try is whole`, async ({ page }) => {
      server.faults.set("model.json", [fault]);
      const failed = await attempt(page);
      expect(failed.code).toBe(code);
      expect(failed.message).toBe(message(`${server.origin}/model/model.json`));
      server.heal();
      await expectCaption(page);
    });
  }

  const cases: [string, Record<string, unknown>, Attempt, string, RegExp][] = [
    [
      "that is none",
      { shards: 7 },
      {},
      "manifest",
      /model\.json is not a model\.json this version can read \(shards is not a list\)\. Publish the model folder anew with `flamingo convert`\.$/,
    ],
    [
      "of a later version",
      { format_version: 2 },
      {},
      "unsupported-version",
      /model\.json has format version 2; this version of flamingo-web reads 1\. Update flamingo-web\.$/,
    ],
    [
      "of a model of 5 GB, for the CPU,",
      { shards: FIVE_GB, total_bytes: 5_033_164_800, estimated_memory_bytes: 5_600_000_000 },
      { device: "cpu" },
      "model-too-large",
      /^The model takes about 5\.7 GB of the tab's memory on the CPU, which has 4\.3 GB at most\. Use WebGPU, in a browser and on a device that have it; or a model packed in a smaller type, or the native program `flamingo`\.$/,
    ],
    [
      "of a tensor that no tab holds, for a GPU,",
      { required_gpu_limits: { max_buffer_size: 4_300_000_000 } },
      { device: "webgpu" },
      "model-too-large",
      /^The model takes about 4\.4 GB of the tab's memory while its largest tensor is loaded, which has 4\.3 GB at most\. Use a model packed in a smaller type, or the native program `flamingo`\.$/,
    ],
  ];
  for (const [name, manifest, how, code, message] of cases) {
    test(`${name} is refused, before a shard is asked for`, async ({ page }) => {
      server.manifest = manifest;
      const failed = await attempt(page, how);
      expect(failed.code).toBe(code);
      expect(failed.message).toMatch(message);
      expect(server.requests).toEqual([]);
      await expect.poll(() => page.workers().length).toBe(0);
      server.heal();
      await expectCaption(page);
    });
  }
});

test.describe("a shard", () => {
  const cases: readonly FileFault[] = [
    ...FILE_FAULTS,
    [
      "with a wrong bit",
      "damaged",
      "hash-mismatch",
      (url) =>
        `${url} is damaged: its SHA-256 is not the one in model.json, even where it was fetched twice. Publish the model folder anew.`,
    ],
    [
      "that is a byte short",
      "short",
      "shard-length",
      (url) => {
        const bytes = server.bytesOf(url.slice(url.lastIndexOf("/") + 1));
        return `${url} should have ${bytes} bytes and has only ${bytes - 1}. Try again; if it stays so, publish the model folder anew.`;
      },
    ],
  ];
  for (const [name, fault, code, message] of cases) {
    test(`${name}, whichever it is, is told, and costs itself alone`, async ({ page }) => {
      for (const part of PARTS) {
        await forget(page);
        server.heal();
        server.faults.set(part, [fault]);
        const failed = await attempt(page);
        expect(failed.code).toBe(code);
        expect(failed.message).toBe(message(`${server.origin}/model/${part}`));
      }
      // The last one is mended: what had come whole is asked for no second time.
      server.heal();
      const outcome = await expectCaption(page);
      expect(keptBytes(outcome)).toBeGreaterThan(0);
      expect(server.requests).toEqual([PARTS.at(-1)]);
    });
  }

  for (const fault of ["cut", "damaged", "short"] as const) {
    test(`that is ${fault} once, whichever it is, mends itself`, async ({ page }) => {
      for (const part of PARTS) server.faults.set(part, [fault, undefined]);
      await expectCaption(page);
      expect(server.requests).toHaveLength(2 * SHARDS);
    });
  }
});

test("a slow server is waited for, with a time that is left", async ({ page }) => {
  for (const part of PARTS) server.faults.set(part, ["slow"]);
  const { events } = await expectCaption(page);
  const progress = events.flatMap((event) => (event.status === "progress" ? [event] : []));
  expect(progress.length).toBeGreaterThan(10);
  const loaded = progress.map(({ loaded }) => loaded);
  expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  expect(progress.at(-1)).toMatchObject({ loaded: progress[0]?.total, remainingMs: 0 });
  expect(progress.some(({ remainingMs }) => remainingMs !== undefined && remainingMs > 0)).toBe(
    true,
  );
});

test.describe("with the network gone", () => {
  test("before the first visit there is no model, and it is said", async ({ page }) => {
    server.faults.set("model.json", ["down"]);
    const { code, message } = await attempt(page);
    expect(code).toBe("network");
    expect(message).toMatch(
      new RegExp(`^The connection failed while fetching ${escaped("model.json")}`),
    );
    server.heal();
    await expectCaption(page);
  });

  test("before the module is there", async ({ page }) => {
    server.faults.set("flamingo_bg.wasm", ["down"]);
    const { code, message } = await attempt(page);
    expect(code).toBe("start");
    expect(message).toMatch(/^flamingo-web could not start: /);
    server.heal();
    await expectCaption(page);
  });

  test("between two shards", async ({ page }) => {
    for (const part of PARTS.slice(2)) server.faults.set(part, ["down"]);
    const { code, message } = await attempt(page);
    expect(code).toBe("network");
    expect(message).toContain(PARTS[2]);
    server.heal();
    await expectCaption(page);
    expect(server.requests).toEqual(PARTS.slice(2));
  });

  test("after a visit the model of that visit serves", async ({ page }) => {
    await expectCaption(page);
    server.faults.set("model.json", ["down"]);
    for (const part of PARTS) server.faults.set(part, ["down"]);
    const outcome = await expectCaption(page);
    expect(warnings(outcome)).toEqual(["offline"]);
    expect(messages(outcome)).toEqual([
      `${server.origin}/model/model.json cannot be reached; the model of the last visit is used.`,
    ]);
  });

  for (const [name, fault, reason] of [
    ["a server in trouble", "unavailable", "cannot be had (the server answered 503)"],
    ["a login page", "html", "cannot be had (a web page came in its place)"],
    [
      "a login page that calls itself JSON",
      "disguised",
      "cannot be had (a web page came in its place)",
    ],
  ] as const) {
    test(`${name} after a visit is no matter either`, async ({ page }) => {
      await expectCaption(page);
      server.requests.length = 0;
      server.faults.set("model.json", [fault]);
      const outcome = await expectCaption(page);
      expect(messages(outcome)).toEqual([
        `${server.origin}/model/model.json ${reason}; the model of the last visit is used.`,
      ]);
      expect(warnings(outcome)).toEqual(["offline"]);
      expect(server.requests).toEqual([]);
    });
  }

  test("while a model is loaded nothing changes", async ({ page }) => {
    const ids = await page.evaluate(async (photo) => {
      const { Flamingo } = (await import(
        /* @vite-ignore */ `${location.origin}/web/dist/index.js`
      )) as typeof Package;
      const image = await (await fetch(photo)).blob();
      const model = await Flamingo.load("/model/model.json", { device: "cpu" });
      const session = model.session();
      Object.assign(window, { again: () => session.caption(image).result });
      return (await session.caption(image).result).tokenIds;
    }, pathInClone(PHOTO));
    server.down = true;
    const again = await page.evaluate(
      async () =>
        (await (window as unknown as { again(): Promise<Package.Caption> }).again()).tokenIds,
    );
    expect([ids, again]).toEqual([tokenIds, tokenIds]);
  });
});

test.describe("an address", () => {
  test("with a token has it go along to the shards, and is one model whatever the token", async ({
    page,
  }) => {
    server.token = "a/b c";
    await expectCaption(page, { url: "/model/model.json?token=a%2Fb+c#weights" });
    expect(server.requests).toEqual(PARTS);
    server.requests.length = 0;
    server.token = "new";
    const again = await expectCaption(page, { url: "/model/?token=new" });
    expect(keptBytes(again)).toBe(PARTS.reduce((sum, part) => sum + server.bytesOf(part), 0));
    // The token has expired, and the model is kept.
    const kept = await expectCaption(page, { url: "/model/model.json?token=old" });
    expect(messages(kept)).toEqual([
      `${server.origin}/model/model.json?token=old cannot be had (the server answered 403); the model of the last visit is used.`,
    ]);
    expect(server.requests).toEqual([]);
    await forget(page);
    expect(await cachedBytes(page)).toBe(0);
  });

  test("with a query that may name another model is not answered with this one", async ({
    page,
  }) => {
    await expectCaption(page, { url: "/model/model.json?name=one" });
    server.requests.length = 0;
    server.faults.set("model.json", ["down"]);
    expect((await attempt(page, { url: "/model/model.json?name=two" })).code).toBe("network");
    server.faults.clear();
    // What is the same in both is fetched once.
    await expectCaption(page, { url: "/model/model.json?name=two" });
    expect(server.requests).toEqual([]);
  });

  test("that leads elsewhere is followed, and the shards are there", async ({ page }) => {
    server.token = "signed";
    await expectCaption(page, { url: "/latest/model.json" });
    expect(server.requests).toEqual(PARTS);
  });

  test("that is none is told", async ({ page }) => {
    const { code, message } = await attempt(page, { url: "http://" });
    expect([code, message]).toEqual([
      "invalid-option",
      '"http://" is no address; give that of a model.json.',
    ]);
  });
});

/** Sets how many bytes the page may keep. */
async function limitDisk(page: Page, quotaSize: number): Promise<void> {
  const browser = await page.context().newCDPSession(page);
  await browser.send("Storage.overrideQuotaForOrigin", { origin: server.origin, quotaSize });
}

test.describe("a full disk", () => {
  test("costs nothing but the next visit's download", async ({ page }) => {
    await limitDisk(page, 1e6);
    const outcome = await expectCaption(page);
    expect(messages(outcome)).toContainEqual(expect.stringMatching(QUOTA));
  });

  test("that fills up in mid-download costs what came afterwards", async ({ page, context }) => {
    for (const part of PARTS.slice(1)) server.faults.set(part, ["slow"]);
    const attempted = attempt(page);
    const other = await context.newPage();
    await other.goto(server.origin);
    await expect.poll(() => cachedBytes(other), { intervals: [50] }).toBeGreaterThan(0);
    await limitDisk(page, 1);
    const outcome = await attempted;
    expect([outcome.message, outcome.tokenIds]).toEqual([undefined, tokenIds]);
    expect(messages(outcome)).toContainEqual(expect.stringMatching(QUOTA));

    // There is room again: what was kept before is still there, and the rest is fetched.
    await limitDisk(page, 1e9);
    server.heal();
    await page.reload();
    expect(warnings(await expectCaption(page))).toEqual([]);
    expect(server.requests.toSorted()).toEqual(PARTS.slice(1));
  });
});

test("a model is not removed under the feet of a tab that downloads it", async ({
  page,
  context,
}) => {
  server.faults.set("part-4.bin", ["stalled"]);
  const downloading = attempt(page).catch(() => "the tab was closed");
  const other = await context.newPage();
  await other.goto(server.origin);
  await expect.poll(() => cachedBytes(other), { timeout: 60_000 }).toBeGreaterThan(0);
  const refusal = await other.evaluate(async () => {
    const { Flamingo, FlamingoError } = (await import(
      /* @vite-ignore */ `${location.origin}/web/dist/index.js`
    )) as typeof Package;
    return Flamingo.remove("/model/model.json").catch((error: unknown) => {
      if (!(error instanceof FlamingoError)) throw error;
      return { code: error.code, message: error.message };
    });
  });
  expect(refusal).toEqual({
    code: "model-in-use",
    message: `${server.origin}/model/model.json is just being downloaded, here or in another tab. Wait until it is there or close that tab, then remove it.`,
  });
  expect(await cachedBytes(other)).toBeGreaterThan(0);

  await page.close();
  await downloading;
  await forget(other);
  expect(await cachedBytes(other)).toBe(0);
});

test.describe("an abort", () => {
  const cases: [string, Attempt, string?][] = [
    ["while model.json is awaited", { abortAt: "start" }, "model.json"],
    ["when model.json is there", { abortAt: "initiate" }],
    ["while the module is awaited", { abortAt: "cache" }, "flamingo_bg.wasm"],
    ["when the module has started", { abortAt: "module" }],
    ["when the device is open", { abortAt: "device" }],
    ["at the first byte", { abortAt: "progress" }],
    ["while shards are awaited", { abortAt: "done" }, "part-1.bin"],
    ["while the GPU compiles", { abortAt: "compile", device: "webgpu" }],
    ["when the model is ready", { abortAt: "ready" }],
    ["at the first token", { abortAt: "token" }],
  ];
  for (const [name, how, stalled] of cases) {
    test(`${name} ends it at once, and the next load is whole`, async ({ page }) => {
      if (stalled !== undefined) server.faults.set(stalled, ["stalled"]);
      const { code, message, abortMs } = await attempt(page, how);
      expect([code, message]).toEqual(["aborted", "Stopped, as asked."]);
      expect(abortMs).toBeLessThan(1000);
      await expect.poll(() => page.workers().length).toBe(0);
      server.heal();
      await expectCaption(page);
      // What had come whole is kept.
      if (how.abortAt === "done") expect(server.requests).not.toContain(PARTS[0]);
    });
  }
});

test.describe("a picture", () => {
  /** Captions a picture, then the photo, in one session. */
  function captionBoth(page: Page, picture: Buffer) {
    return page.evaluate(
      async ({ photo, picture }) => {
        const { Flamingo, FlamingoError } = (await import(
          /* @vite-ignore */ `${location.origin}/web/dist/index.js`
        )) as typeof Package;
        const model = await Flamingo.load("/model/model.json", { device: "cpu" });
        const session = model.session();
        const image = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
        const first = await session.caption(image).result.then(
          ({ tokenIds }) => ({ tokenIds }),
          (error: unknown) => {
            if (!(error instanceof FlamingoError)) throw error;
            return { code: error.code, message: error.message };
          },
        );
        const after = await session.caption(await (await fetch(photo)).blob()).result;
        model.dispose();
        return { first, after: after.tokenIds };
      },
      { photo: pathInClone(PHOTO), picture: picture.toString("base64") },
    );
  }

  const fixture = (name: string) => readFileSync(new URL(name, IMAGES));

  /** A picture with other bytes `behind` the start of the first `mark` in it; at its end, by default. */
  function changed(name: string, mark: string, bytes: number[], behind = mark.length): Buffer {
    const file = Buffer.from(fixture(name));
    const place = file.indexOf(mark, 0, "latin1");
    expect(place).toBeGreaterThan(0);
    file.set(bytes, place + behind);
    return file;
  }

  const refused: [string, () => Buffer, string | RegExp][] = [
    [
      "of 10,000 × 10,000 pixels",
      () => blackPng(10_000, 10_000),
      "The picture has 10000×10000 pixels, more than 50 megapixels or 65535 on a side; scale it down first.",
    ],
    [
      "of 100,000 × 100,000 pixels, more than a 32-bit address can count",
      () => fixture("huge.png"),
      "The picture has 100000×100000 pixels, more than 50 megapixels or 65535 on a side; scale it down first.",
    ],
    [
      "whose pixels are not those of its checksum, a .png",
      () => changed("rgb16.png", "IDAT", [0, 0, 0, 0]),
      /^The PNG file cannot be decoded \(.+\); save the picture anew\.$/,
    ],
    [
      "with code tables that are none, a .jpg",
      () => changed("photo.jpg", "\xff\xc4\x00", Array(20).fill(255)),
      /^The JPEG file cannot be decoded \(.+\); save the picture anew\.$/,
    ],
    [
      "with a frame that is none, a .webp",
      () => changed("photo.webp", "\x9d\x01\x2a", [0, 0, 0, 0], 0),
      /^The WebP file cannot be decoded \(.+\); save the picture anew\.$/,
    ],
    ...["jpg", "png", "webp"].map((kind, i): (typeof refused)[number] => [
      `that is broken off, a .${kind}`,
      () => fixture(`truncated.${kind}`),
      `The ${["JPEG", "PNG", "WebP"][i]} file ends before its picture does; download or copy it again.`,
    ]),
    [
      "that is text",
      () => Buffer.from("a dog in the snow"),
      "The file is not a picture of a known format; save the picture as JPEG, PNG or WebP.",
    ],
    ["of no bytes", () => Buffer.alloc(0), "The file is empty; download or copy it again."],
  ];
  for (const [name, picture, message] of refused) {
    test(`${name} is refused with its reason`, async ({ page }) => {
      const { first, after } = await captionBoth(page, picture());
      expect(first).toEqual({
        code: "image",
        message: typeof message === "string" ? message : expect.stringMatching(message),
      });
      expect(after).toEqual(tokenIds);
    });
  }

  test("of one pixel is one", async ({ page }) => {
    const { first, after } = await captionBoth(page, blackPng(1, 1));
    expect(first).toEqual({ tokenIds: expect.arrayContaining([expect.any(Number)]) });
    expect(after).toEqual(tokenIds);
  });

  for (const [name, file, same] of [
    ["that moves counts by its first frame", "animated.webp", "animated.webp.expected.png"],
    ["that moves, a PNG, likewise", "animated.png", "animated.png.expected.png"],
    ["of 16 bits a channel is seen as with 8", "rgb16.png", "rgb16.expected.png"],
  ] as const) {
    test(name, async ({ page }) => {
      const seen = await captionBoth(page, fixture(file));
      expect(seen).toEqual(await captionBoth(page, fixture(same)));
      expect(seen.after).toEqual(tokenIds);
    });
  }
});

test.describe("a picture of a format that the browser knows", () => {
  const cases: [string, () => Buffer][] = [
    ["a GIF", () => readFileSync(new URL("unsupported.gif", IMAGES))],
    ["a BMP", () => bmp(8, 8, [200, 40, 90])],
    ["an AVIF", () => readFileSync(new URL("media/photo.avif", import.meta.url))],
  ];
  for (const [name, file] of cases) {
    test(`${name}, is seen as its pixels in a PNG, in a clip and by its look too`, async ({
      page,
    }) => {
      const [picture, same] = await page.evaluate(
        async ({ file, photo }) => {
          const { Flamingo } = (await import(
            /* @vite-ignore */ `${location.origin}/web/dist/index.js`
          )) as typeof Package;
          const model = await Flamingo.load("/model/model.json", { device: "cpu" });
          // Neither a name nor a type tells what it is.
          const picture = new Blob([Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0))]);
          const bitmap = await createImageBitmap(picture, { colorSpaceConversion: "none" });
          const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
          canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
          const png = await canvas.convertToBlob({ type: "image/png" });
          const other = await (await fetch(photo)).blob();
          const session = model.session();
          const outcomes: unknown[] = [];
          for (const image of [picture, png]) {
            outcomes.push([
              (await session.caption(image).result).tokenIds,
              (await session.caption({ frames: [other, image] }).result).tokenIds,
              Array.from(await model.embed(image)),
            ]);
          }
          model.dispose();
          return outcomes;
        },
        { file: file().toString("base64"), photo: pathInClone(PHOTO) },
      );
      expect(picture).toEqual(same);
    });
  }
});

test("what is transparent is seen on white, in files and in pixels", async ({ page }) => {
  const [transparent, white, black] = await page.evaluate(async () => {
    const { Flamingo } = (await import(
      /* @vite-ignore */ `${location.origin}/web/dist/index.js`
    )) as typeof Package;
    const model = await Flamingo.load("/model/model.json", { device: "cpu" });
    const session = model.session();
    const outcomes: unknown[] = [];
    for (const ground of ["#0000", "#fff", "#000"]) {
      const canvas = new OffscreenCanvas(64, 48);
      const context = canvas.getContext("2d");
      if (context === null) throw new Error("no canvas");
      context.fillStyle = ground;
      context.fillRect(0, 0, 64, 48);
      context.fillStyle = "#000";
      context.fillRect(8, 8, 20, 20);
      const texts: unknown[] = [];
      for (const image of [
        await canvas.convertToBlob({ type: "image/png" }),
        context.getImageData(0, 0, 64, 48),
        new VideoFrame(canvas, { timestamp: 0, alpha: "keep" }),
      ]) {
        texts.push((await session.caption(image).result).tokenIds);
        texts.push((await session.caption({ frames: [image, image] }).result).tokenIds);
        texts.push(Array.from(await model.embed(image)));
        if (image instanceof VideoFrame) image.close();
      }
      outcomes.push(texts);
    }
    model.dispose();
    return outcomes;
  });
  expect(transparent).toEqual(white);
  expect(transparent).not.toEqual(black);
});

test("forty examples fit, and four hundred are refused with their number", async ({ page }) => {
  const outcomes = await page.evaluate(async (photo) => {
    const { Flamingo, FlamingoError } = (await import(
      /* @vite-ignore */ `${location.origin}/web/dist/index.js`
    )) as typeof Package;
    const model = await Flamingo.load("/model/model.json", { device: "cpu" });
    const image = await (await fetch(photo)).blob();
    const outcomes: unknown[] = [];
    for (const [count, text] of [
      [40, "A dog in the snow"],
      [400, "A dog in the snow"],
      [0, ""],
    ] as const) {
      const shots = Array.from({ length: count }, () => ({ image, text }));
      outcomes.push(
        await model
          .session({ shots })
          .caption(image)
          .result.then(
            ({ tokenIds }) => tokenIds,
            (error: unknown) => {
              if (!(error instanceof FlamingoError)) throw error;
              return { code: error.code, message: error.message };
            },
          ),
      );
    }
    model.dispose();
    return outcomes;
  }, pathInClone(PHOTO));
  const [forty, tooMany, none] = outcomes;
  expect(forty).toEqual(expect.arrayContaining([expect.any(Number)]));
  expect(tooMany).toEqual({
    code: "prompt-too-long",
    message:
      "The prompt has 4003 tokens (401 images and clips), the model takes 2048; use fewer or shorter examples.",
  });
  expect(none).toEqual(tokenIds);
});

/** A picture of one colour, 24 bits a pixel. */
function bmp(width: number, height: number, [red, green, blue]: readonly [number, number, number]) {
  const header = Buffer.alloc(54);
  const pixels = Buffer.alloc(3 * width * height);
  for (let i = 0; i < pixels.length; i += 3) pixels.set([blue, green, red], i);
  header.write("BM", "latin1");
  header.writeUInt32LE(header.length + pixels.length, 2);
  header.writeUInt32LE(header.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeUInt32LE(width, 18);
  header.writeUInt32LE(height, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(24, 28);
  return Buffer.concat([header, pixels]);
}

/** A black picture with one bit a pixel. */
function blackPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // One bit of grey; deflate, the five filters, no interlacing.
  header.set([1, 0, 0, 0, 0], 8);
  const rows = Buffer.alloc((1 + Math.ceil(width / 8)) * height);
  const chunk = (type: string, data: Buffer) => {
    const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    checksum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, checksum]);
  };
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
