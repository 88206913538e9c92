import { Flamingo } from "flamingo-web";
import { Suspense, use, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const loading = Flamingo.load("models/flamingo-smollm2-135m/model.json");

function Caption({ photo }: { photo: File }) {
  const model = use(loading);
  const [text, setText] = useState("");
  useEffect(() => {
    const gone = new AbortController();
    const session = model.session();
    const write = async () => {
      const stream = session.caption(photo, { signal: gone.signal });
      for await (const piece of stream) setText((text) => text + piece.text);
    };
    write().catch((error: Error) => {
      if (!gone.signal.aborted) setText(error.message);
    });
    return () => {
      gone.abort();
      session.dispose();
      setText("");
    };
  }, [model, photo]);
  return <output>{text}</output>;
}

function App() {
  const [photo, setPhoto] = useState<File>();
  return (
    <Suspense fallback="The model is on its way.">
      <input
        type="file"
        accept="image/*"
        aria-label="Photo"
        onChange={({ target }) => setPhoto(target.files?.[0])}
      />
      {photo && <Caption photo={photo} />}
    </Suspense>
  );
}

createRoot(document.querySelector("main") as HTMLElement).render(<App />);
