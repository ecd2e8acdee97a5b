// The page around this one, when this one is the iframe of s-connector: /embed?domain=<domain of the licence> (contract
// s-connector, sections 9 and 10).
//
// We announce ourselves, are asked into a room, and tell when the stay has ended and whether we fill the screen. A licence's
// domain is an origin or a plain word. Invariant: of an origin, only a page of that origin is listened to, and as the browser
// has let nobody else show us (frame-ancestors), it may say which page it is; a word is good for any page around us. In both
// cases only tokens of that domain are taken. Whether a token is good is the server's to say.

export class Embedder {
  #domain;
  #origin = null; // of the page that has asked us in

  constructor(domain) {
    this.#domain = domain;
  }

  get isThere() {
    return window.parent !== window;
  }

  /**
   * Waits to be asked in: {room, name, image: an address or null, credentials}, see Stay. `onRefused` is called for every
   * request that is none, or not with a token of this domain.
   */
  async invitation(onRefused) {
    const asked = new Promise((resolve) => {
      const hear = (event) => {
        if (!this.#isAround(event) || event.data?.method !== "joinRoom") return;
        const invitation = this.#read(event.data);
        if (invitation === null) {
          onRefused();
          return;
        }
        window.removeEventListener("message", hear);
        this.#origin = event.origin;
        resolve(invitation);
      };
      window.addEventListener("message", hear);
    });
    // Not a secret, and nobody knows yet whose page a word's is.
    window.parent.postMessage({ method: "init" }, isOrigin(this.#domain) ? this.#domain : "*");
    return asked;
  }

  left(isKickedOut) {
    this.#tell({ method: "leave", isKickedOut });
  }

  fullScreen(isFull) {
    this.#tell({ method: "fullScreen", isFull });
  }

  #tell(message) {
    if (this.#origin === null) return;
    // A page from a file, or in a sandbox, has no origin to be named by.
    window.parent.postMessage(message, this.#origin === "null" ? "*" : this.#origin);
  }

  #isAround({ source, origin }) {
    return source === window.parent && (!isOrigin(this.#domain) || origin === this.#domain);
  }

  #read({ accessToken, userName, roomName, backgroudImgUrl }) {
    const words = [accessToken, userName, roomName];
    if (!words.every((word) => typeof word === "string" && word !== "")) return null;
    if (domainOf(accessToken) !== this.#domain) return null;
    return {
      room: roomName,
      name: userName,
      image: imageAt(backgroudImgUrl),
      credentials: { access_token: accessToken, origin: this.#domain },
    };
  }
}

function isOrigin(domain) {
  return domain.includes("://");
}

/** What a token claims, which is checked by the server and by nobody here. */
function domainOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).domain;
  } catch {
    return null;
  }
}

function imageAt(address) {
  try {
    const url = new URL(address);
    return ["https:", "http:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
