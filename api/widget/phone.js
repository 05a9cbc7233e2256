// Puts the phone of an agent into a page: Voylo.init({ sessionToken, mode, target }), then dial, hangup and so on, on
// what init returns or on Voylo itself. The phone is a page of the engine in a frame; this script only speaks with it.
(() => {
  const source = document.currentScript.src;
  const FLOATING = {
    position: "fixed", right: "1rem", bottom: "1rem", width: "20rem", height: "30rem", zIndex: "2147483000",
    border: "1px solid #8888", borderRadius: "0.75rem", background: "Canvas", boxShadow: "0 0.25rem 1rem #0006",
  };
  const INLINE = { width: "100%", height: "30rem", border: "0" };
  const COMMANDS = ["hangup", "answer", "decline", "toggleMute"];
  const EVENTS = ["ready", "ringing", "answered", "ended", "error"];

  class Phone {
    #frame = document.createElement("iframe");
    #listeners = new Map(EVENTS.map((name) => [name, new Set()]));
    #hear = (event) => this.#told(event);

    constructor({ sessionToken, mode = "floating", target } = {}) {
      if (typeof sessionToken !== "string" || !sessionToken) throw new TypeError("Voylo.init: sessionToken is missing");
      if (mode !== "floating" && mode !== "inline") throw new TypeError(`Voylo.init: mode is floating or inline, not ${mode}`);
      const place = typeof target === "string" ? document.querySelector(target) : target;
      if (mode === "inline" && !(place instanceof Element)) throw new TypeError("Voylo.init: target is no element of the page");
      const url = new URL("../embed", source);
      url.searchParams.set("token", sessionToken);
      this.#frame.src = url.href;
      this.#frame.title = "Phone";
      this.#frame.allow = "microphone; autoplay";
      Object.assign(this.#frame.style, mode === "inline" ? INLINE : FLOATING);
      window.addEventListener("message", this.#hear);
      (mode === "inline" ? place : document.body).append(this.#frame);
    }

    #told({ source: from, data }) {
      const listeners = from === this.#frame.contentWindow && this.#listeners.get(data?.voylo);
      if (listeners) for (const listener of [...listeners]) listener(data.detail);
    }

    #command(name, more = {}) {
      this.#frame.contentWindow?.postMessage({ voylo: name, ...more }, new URL(source).origin);
    }

    dial(number) {
      this.#command("dial", { number: String(number) });
    }

    on(event, listener) {
      const listeners = this.#listeners.get(event);
      if (!listeners) throw new TypeError(`Voylo: there is no event ${event}, only ${EVENTS.join(", ")}`);
      listeners.add(listener);
      return () => listeners.delete(listener);
    }

    show() {
      this.#frame.hidden = false;
      this.#frame.style.display = "";
    }

    hide() {
      this.#frame.style.display = "none";
    }

    destroy() {
      window.removeEventListener("message", this.#hear);
      this.#frame.remove();
      if (current === this) current = null;
    }

    static {
      for (const name of COMMANDS) {
        this.prototype[name] = function () {
          this.#command(name);
        };
      }
    }
  }

  let current = null;
  const Voylo = {
    init(options) {
      const made = new Phone(options);
      current?.destroy();
      current = made;
      return made;
    },
  };
  for (const name of ["dial", "on", "show", "hide", "destroy", ...COMMANDS]) {
    Voylo[name] = (...given) => {
      if (current === null) throw new Error(`Voylo.${name}: call Voylo.init first`);
      return current[name](...given);
    };
  }
  window.Voylo = Voylo;
})();
