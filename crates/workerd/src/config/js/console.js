// Marks console lines with their Worker: those of all Workers of an app come out of one stream.
// The first argument may be a format, so the mark goes in front of it, not beside it.
for (const level of ["debug", "error", "info", "log", "warn"]) {
  const write = console[level];
  console[level] = (...args) => {
    const [first, ...rest] = args;
    if (args.length === 0) write(`\u0001${worker}\u0001`);
    else if (typeof first === "string") write(`\u0001${worker}\u0001${first}`, ...rest);
    else write(`\u0001${worker}\u0002`, ...args);
  };
}
