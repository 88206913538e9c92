/** The files that the user chose in an input, which is empty again: choosing the same ones is a choice too. */
export function takeFiles({ currentTarget }: Event): File[] {
  const input = currentTarget as HTMLInputElement;
  const files = [...(input.files ?? [])];
  input.value = "";
  return files;
}
