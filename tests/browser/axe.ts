/** The rules of WCAG 2.2 AA, as far as a program can tell. */

import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "@playwright/test";

const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];

/** What is wrong with the page as it stands. */
export async function violations(page: Page): Promise<string[]> {
  // Between two colours no contrast is what it will be.
  await page.evaluate(() =>
    // One that is cut off by the next has settled too.
    Promise.allSettled(
      document
        .getAnimations()
        .filter((animation) => animation instanceof CSSTransition)
        .map(({ finished }) => finished),
    ),
  );
  const { violations } = await new AxeBuilder({ page }).withTags(WCAG).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
