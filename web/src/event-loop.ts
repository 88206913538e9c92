/** The Worker's event loop. */

/**
 * Lets messages that wait be handled. A model on the CPU computes without a
 * pause of its own, so a request to stop would not arrive before the end.
 * (`setTimeout` would do, but browsers stretch it to 4 ms.)
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
