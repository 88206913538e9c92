import { expect, test } from "vitest";
import { InvalidOptionError } from "./errors.js";
import { addressesBeside, identityOf, manifestAddress } from "./model-address.js";

const BASE = "https://page.test/a/b.html";

test.each([
  ["model.json", "https://page.test/a/model.json"],
  ["/m/model.json?token=a%2Fb&x=#part", "https://page.test/m/model.json?token=a%2Fb&x="],
  ["https://host.test/m/", "https://host.test/m/model.json"],
  ["https://host.test/m/?v=1", "https://host.test/m/model.json?v=1"],
  ["https://host.test/50%.json", "https://host.test/50%.json"],
  ["hf:some-one/a.model@1f3e", "https://huggingface.co/some-one/a.model/resolve/1f3e/model.json"],
  [
    "hf:a/b@refs%2Fpr%2F1/in/it/",
    "https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/in/it/model.json",
  ],
])("%s is the address %s", (source, address) => {
  expect(manifestAddress(source, BASE)).toBe(address);
});

test("what is no address is refused, in few words", () => {
  expect(() => manifestAddress("http://", BASE)).toThrow(InvalidOptionError);
  const long = `http://[${"x".repeat(100_000)}`;
  const [, message = ""] = /(.*)/.exec(String(failure(() => manifestAddress(long, BASE)))) ?? [];
  expect(message).toContain("is no address; give that of a model.json");
  expect(message.length).toBeLessThan(300);
});

test.each(["hf:a/b", "hf:a@main", "hf:a/b@", "hf:a/b/c@main", "hf:../b@x?y"])(
  "%s is no model of the hub",
  (source) => {
    expect(() => manifestAddress(source, BASE)).toThrow(/hf:owner\/name@revision/);
  },
);

function failure(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("a file lies beside its model.json, with the same query", () => {
  const led = "https://cdn.test/x/model.json?sig=1";
  const asked = "https://host.test/m/model.json?token=a/b";
  expect(addressesBeside("part.bin", [led, asked])).toEqual([
    "https://cdn.test/x/part.bin?sig=1",
    "https://host.test/m/part.bin?token=a/b",
  ]);
  expect(addressesBeside("part.bin", [asked, asked])).toHaveLength(1);
});

test.each([
  ["?token=a", "?token=b", true],
  ["?token=a", "", true],
  ["?access_token=a&model=x", "?model=x&Expires=2", true],
  ["?X-Amz-Signature=a&X-Amz-Date=1", "?X-Amz-Signature=b", true],
  ["?sv=2024&sig=a&se=1", "?se=2&sig=b&sv=2024", true],
  ["?a=1&b=2", "?b=2&a=1", true],
  // Nobody knows what these mean.
  ["?model=a", "?model=b", false],
  ["?v=1", "?v=2", false],
  ["?token=a&model=x", "?token=a", false],
])("%s and %s name the same model: %s", (one, other, same) => {
  const url = "https://host.test/model.json";
  expect(identityOf(url + one) === identityOf(url + other)).toBe(same);
});
