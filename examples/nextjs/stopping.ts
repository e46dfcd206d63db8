// On SIGTERM and SIGINT Next.js answers the requests at hand and then ends with the signal's number. Being asked to stop is no failure: 0 says so.
const ASKED_TO = [128 + 15, 128 + 2];

process.on("exit", (code) => {
  if (ASKED_TO.includes(code)) {
    process.exitCode = 0;
  }
});

export {};
