/**
 * The same text in memory of its own. What is cut out of a request's head is a view into that head and keeps all of it alive, up to
 * 16 KiB for a user id; so whatever outlives the request has to be copied.
 */
export function ownText(text: string): string {
  // Half a surrogate pair would not survive; nothing that came in bytes has one.
  return text.isWellFormed() ? Buffer.from(text).toString() : text
}
