/** The binary answer of `GET api/v1/series`, as docs/api.md lays it out: typed arrays behind a JSON header, all little-endian. */

/** Parse a frame: `[{metric, columns, x, runs: [{run, n, min, max, last, nan}]}]`, the arrays being views of the buffer. */
export function parseFrame(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let offset = 4 + size;
  const take = (Type, length) => {
    offset = (offset + 7) & ~7;
    const array = new Type(buffer, offset, length);
    offset += array.byteLength;
    return array;
  };
  return header.series.map(({ metric, columns, runs }) => ({
    metric,
    columns,
    x: take(Float64Array, columns),
    runs: runs.map(({ run, n }) => ({
      run,
      n,
      min: take(Float32Array, columns),
      max: take(Float32Array, columns),
      last: take(Float32Array, columns),
      nan: take(Uint8Array, columns),
    })),
  }));
}
