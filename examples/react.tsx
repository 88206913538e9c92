import { useCaption, useFlamingo } from "flamingo-web/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

function App() {
  const [photo, setPhoto] = useState<File>();
  const { model, progress, error } = useFlamingo("models/flamingo-smollm2-135m/model.json");
  const caption = useCaption(model, photo);
  return (
    <>
      <input
        type="file"
        accept="image/*"
        aria-label="Photo"
        onChange={({ target }) => setPhoto(target.files?.[0])}
      />
      {model === undefined && <progress value={progress} />}
      <output>{error?.message ?? caption.error?.message ?? caption.text}</output>
    </>
  );
}

createRoot(document.querySelector("main") as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
