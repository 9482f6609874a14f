// Writes the outline of the land for the map of places (api/src/pages/house/map.rs): one SVG path, equirectangular,
// four units to a degree, from 84° north to 60° south. Run once; its result is committed.
//
//     npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
//     node scripts/make-map.mjs package/land-110m.json > api/src/pages/assets/land.path.txt
//
// world-atlas (ISC, Michael Bostock) holds Natural Earth's public-domain outlines as TopoJSON.
import { readFileSync } from "node:fs";

const NORTH = 84;
const SOUTH = -60;
const SCALE = 4;
const WIDTH = 360 * SCALE;

const topology = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { scale, translate } = topology.transform;

// TopoJSON §2.1.3: an arc's positions are quantized differences.
const arcs = topology.arcs.map((arc) => {
  let x = 0;
  let y = 0;
  return arc.map(([dx, dy]) => {
    x += dx;
    y += dy;
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
  });
});

// TopoJSON §2.1.4: ~i is arc i backwards; the last position of one arc is the first of the next.
const positions = (ring) =>
  ring.flatMap((index, nth) => {
    const arc = index < 0 ? [...arcs[~index]].reverse() : arcs[index];
    return nth === 0 ? arc : arc.slice(1);
  });

const project = ([longitude, latitude]) => [
  Math.round((longitude + 180) * SCALE),
  Math.round((NORTH - Math.max(latitude, SOUTH)) * SCALE),
];

// Eastern Siberia and Fiji lie on both sides of the date line: their rings go on past the edge, and are drawn again
// at the other one.
function unwrap(points) {
  let turn = 0;
  return points.map(([x, y], nth) => {
    const step = nth === 0 ? 0 : x - points[nth - 1][0];
    if (Math.abs(step) > WIDTH / 2) turn -= Math.sign(step) * WIDTH;
    return [x + turn, y];
  });
}

function path(ring) {
  const points = unwrap(positions(ring).map(project)).filter(
    ([x, y], nth, all) => nth === 0 || x !== all[nth - 1][0] || y !== all[nth - 1][1],
  );
  if (points.length < 4) return "";
  const eastward = Math.max(...points.map(([x]) => x)) > WIDTH;
  const westward = Math.min(...points.map(([x]) => x)) < 0;
  return draw(points, 0) + (eastward ? draw(points, -WIDTH) : "") + (westward ? draw(points, WIDTH) : "");
}

function draw(points, shift) {
  let [x, y] = points[0];
  let drawn = `M${x + shift} ${y}l`;
  for (const [nextX, nextY] of points.slice(1, -1)) {
    const dy = nextY - y;
    if (!drawn.endsWith("l") && nextX - x >= 0) drawn += " ";
    drawn += `${nextX - x}${dy < 0 ? "" : " "}${dy}`;
    [x, y] = [nextX, nextY];
  }
  return `${drawn}z`;
}

const polygons = topology.objects.land.geometries.flatMap((geometry) =>
  geometry.type === "Polygon" ? [geometry.arcs] : geometry.arcs,
);
const inhabited = polygons.filter((rings) => positions(rings[0]).some(([, latitude]) => latitude > SOUTH));
process.stdout.write(inhabited.flat().map(path).join(""));
