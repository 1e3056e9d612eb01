/** The server as this page reaches it: below whatever path a proxy has put it, with a token. */

let access: string | null = null;

/** The folder of the page's document: "/", or the proxy's path. A room's address ends in r/ROOM. */
export function folderOf(pathname: string): string {
  return pathname.replace(/(?<=\/)(?:r\/[\w-]+\/?|[^/]*)$/u, "");
}

/** The whole address of a path of this server, which begins without a slash. */
export function at(path: string): URL {
  return new URL(folderOf(location.pathname) + path, location.href);
}

/** From here on, every call shows this access token. */
export function showAccess(token: string | null): void {
  access = token;
}

/** Fetches a path of this server. The token is in a header, since addresses are logged. */
export function call(path: string, request: RequestInit = {}): Promise<Response> {
  // A header holds no other characters; no access token has them.
  const bearer = `Bearer ${(access ?? "").replace(/[^\x21-\x7e]/gu, "?")}`;
  return fetch(
    at(path),
    access === null ? request : { ...request, headers: { authorization: bearer } },
  );
}
