// Put into the page before its own scripts: keeps its peer connection, and listens to what comes of it. What waits for
// half an hour and more waits until it is let.
(() => {
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const Real = window.RTCPeerConnection;
  let connection = null;
  window.RTCPeerConnection = function (...given) {
    connection = new Real(...given);
    return connection;
  };
  window.RTCPeerConnection.prototype = Real.prototype;

  const [wait, forget] = [window.setTimeout.bind(window), window.clearTimeout.bind(window)];
  const waiting = new Map();
  window.setTimeout = (done, ms, ...given) => {
    if (ms < 30 * 60 * 1000) return wait(done, ms, ...given);
    const number = -1 - waiting.size;
    waiting.set(number, done);
    return number;
  };
  window.clearTimeout = (number) => waiting.delete(number) || forget(number);

  window.ear = {
    // Lets the time pass; returns how many were waiting.
    later() {
      const due = [...waiting.values()];
      waiting.clear();
      for (const done of due) done();
      return due.length;
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
