// Put into the page before its own scripts: keeps its connections, and listens to what comes of them. What waits for half
// an hour and more, or for what follows a loss, waits until it is let.
(() => {
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  let socket = null;
  window.WebSocket = class extends window.WebSocket {
    constructor(...given) {
      super(...given);
      socket = this;
    }
  };
  const Real = window.RTCPeerConnection;
  let connection = null;
  window.RTCPeerConnection = function (...given) {
    connection = new Real(...given);
    return connection;
  };
  window.RTCPeerConnection.prototype = Real.prototype;

  const [wait, forget] = [window.setTimeout.bind(window), window.clearTimeout.bind(window)];
  const waiting = new Map();
  const LONG = 30 * 60 * 1000;
  const SHORT = 4000;
  let patience = LONG;
  let number = 0;
  window.setTimeout = (done, ms, ...given) => {
    if (ms < patience) return wait(done, ms, ...given);
    number -= 1;
    waiting.set(number, { done, ms });
    return number;
  };
  window.clearTimeout = (number) => waiting.delete(number) || forget(number);

  window.ear = {
    // Lets the time pass for what waits for no more than so many ms; returns for how long each has waited.
    later(most) {
      patience = LONG;
      const due = [...waiting].filter(([, { ms }]) => ms <= most);
      for (const [one] of due) waiting.delete(one);
      for (const [, { done }] of due) done();
      return due.map(([, { ms }]) => ms);
    },
    // Loses the connection to the server.
    lose() {
      patience = SHORT;
      socket.close();
    },
    // Resolves with the text of #state as soon as it is the one expected, or with what it is after ten seconds.
    async until(text) {
      const state = document.getElementById("state");
      for (let tries = 0; tries < 500 && state.textContent !== text; tries += 1) await sleep(20);
      return state.textContent;
    },
    // Resolves with how often in a row, of so many looks, the loudest frequency was within 15 Hz of the one expected.
    async hears(hertz, looks) {
      const context = new AudioContext();
      const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
      context.createMediaStreamSource(document.getElementById("ear").srcObject).connect(analyser);
      await context.resume();
      const levels = new Float32Array(analyser.frequencyBinCount);
      let right = 0;
      for (let tries = 0; tries < 200 && right < looks; tries += 1) {
        await sleep(100);
        analyser.getFloatFrequencyData(levels);
        const loudest = levels.indexOf(Math.max(...levels));
        const found = (loudest * context.sampleRate) / analyser.fftSize;
        right = levels[loudest] > -60 && Math.abs(found - hertz) <= 15 ? right + 1 : 0;
      }
      await context.close();
      return right;
    },
    async media() {
      const stats = await connection.getStats();
      const found = [...stats.values()];
      const inbound = found.find((one) => one.type === "inbound-rtp");
      const transport = found.find((one) => one.type === "transport");
      return { codec: stats.get(inbound.codecId).mimeType, lost: inbound.packetsLost, srtp: transport.srtpCipher };
    },
  };
})();
