// s-connector's SDK: a room of a licence within one's own page (contract s-connector, section 9).
//
//   <div id="call"></div>
//   <script src="https://rooms.example/s-connector.js"></script>
//   <script>
//     const connector = new SConnector(document.getElementById("call"));
//     connector.onLeave = (isKickedOut) => …;
//     connector.onFullScreen = (isFull) => …;
//     connector.joinRoom({ accessToken, userName, roomName, backgroudImgUrl });
//   </script>
//
// The room itself is the server's page, in an iframe. It announces itself by a window message, is then told who enters and
// where, and tells what becomes of it. Invariant: nothing is said to, or believed of, any other window or origin. Whether the
// access token is good is the server's to say; only its claim `domain` is read here, for the address of the page.

(() => {
  "use strict";

  const LOOK_MS = 500;
  const LOOKS = 20; // 10 s
  const ALLOWED = "camera; microphone; display-capture; autoplay; fullscreen";
  const HOME = document.currentScript?.src ?? location.href;

  class SConnector {
    /** To be set: the person has left the room (isKickedOut: not of its own will). */
    onLeave = (_isKickedOut) => {};
    /** To be set: the room fills the screen now, or does so no longer. */
    onFullScreen = (_isFull) => {};

    #parent;
    #endpoint;
    #frame;
    #isUsed = false;
    #isReady = false; // the page in the frame has announced itself
    #timer = 0;
    #listening = new AbortController();

    /** parent: the element that the room is to fill; endpoint: an address on the server, unless this script came from there. */
    constructor(parent, endpoint = HOME) {
      this.#parent = parent;
      this.#endpoint = new URL(endpoint, document.baseURI);
      this.#frame = this.#place();
    }

    /** Enters a room. From one that was entered before, it goes there. */
    joinRoom({ accessToken, userName, roomName, backgroudImgUrl } = {}) {
      if (!userName || !roomName) {
        console.error("s-connector: joinRoom needs userName and roomName");
        return;
      }
      const domain = domainOf(accessToken);
      if (domain === null) {
        console.error("s-connector: joinRoom needs an accessToken");
        return;
      }
      clearInterval(this.#timer);
      // A page that has been told once is left for a new one, so that nothing it still says is taken for that one's.
      if (this.#isUsed) {
        this.#frame.remove();
        this.#frame = this.#place();
      }
      this.#isUsed = true;
      this.#isReady = false;
      this.#listen();
      const address = new URL("/embed", this.#endpoint);
      address.searchParams.set("domain", domain);
      this.#frame.src = address.href;
      Object.assign(this.#frame.style, { display: "block", width: "100%", height: "100%", border: "0" });
      this.#whenReady({ accessToken, userName, roomName, backgroudImgUrl: absolute(backgroudImgUrl), method: "joinRoom" });
    }

    #place() {
      const frame = document.createElement("iframe");
      frame.allow = ALLOWED;
      frame.title = "Video room";
      frame.style.display = "none";
      this.#parent.append(frame);
      return frame;
    }

    #whenReady(message) {
      let looks = 0;
      this.#timer = setInterval(() => {
        looks += 1;
        if (!this.#isReady && looks < LOOKS) return;
        clearInterval(this.#timer);
        if (this.#isReady) this.#frame.contentWindow.postMessage(message, this.#endpoint.origin);
        else console.error(`s-connector: timeout, no room at ${this.#endpoint.origin} within ${(LOOKS * LOOK_MS) / 1000} s`);
      }, LOOK_MS);
    }

    #listen() {
      this.#listening.abort();
      this.#listening = new AbortController();
      window.addEventListener("message", (event) => this.#hear(event), { signal: this.#listening.signal });
    }

    #hear({ source, origin, data }) {
      if (!this.#frame.isConnected) {
        this.#listening.abort(); // the page has taken the room away, and with it all that could be said
        return;
      }
      if (source === null || source !== this.#frame.contentWindow || origin !== this.#endpoint.origin) return;
      if (data?.method === "init") this.#isReady = true;
      else if (data?.method === "leave") this.onLeave?.(data.isKickedOut === true);
      else if (data?.method === "fullScreen") this.onFullScreen?.(data.isFull === true);
    }
  }

  /** The claim of a token, or null. */
  function domainOf(token) {
    try {
      const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
      const bytes = Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0));
      const { domain } = JSON.parse(new TextDecoder().decode(bytes));
      return typeof domain === "string" && domain !== "" ? domain : null;
    } catch {
      return null;
    }
  }

  /** An address of this page, so that it means the same in the frame. */
  function absolute(address) {
    try {
      return address ? new URL(address, document.baseURI).href : undefined;
    } catch {
      return undefined;
    }
  }

  window.SConnector = SConnector;
})();
