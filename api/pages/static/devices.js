// Camera and microphone, and plain words for what may be wrong with them. Getting one of the two is better than getting none,
// so a request for both that fails is repeated for each, except where that would only ask the person a second time.

const CONSTRAINTS = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } },
};
const WORDS = { audio: "microphone", video: "camera" };

/** kinds: a subset of ["audio", "video"]. Returns {audio, video, trouble}: tracks or null, and a sentence or "". */
export async function capture(kinds) {
  const got = { audio: null, video: null, trouble: "" };
  if (kinds.length === 0) return got;
  if (!navigator.mediaDevices?.getUserMedia) {
    got.trouble = "This browser gives camera and microphone only to pages over HTTPS, or on localhost.";
    return got;
  }
  const failures = new Map(); // kind → name of the error
  try {
    await take(got, kinds);
  } catch (error) {
    for (const kind of kinds) failures.set(kind, error.name);
    if (kinds.length > 1) {
      const again = error.name === "NotAllowedError" ? await notDenied(kinds) : kinds;
      for (const kind of again.length < kinds.length || error.name !== "NotAllowedError" ? again : []) {
        try {
          await take(got, [kind]);
          failures.delete(kind);
        } catch (single) {
          failures.set(kind, single.name);
        }
      }
    }
  }
  got.trouble = explain(failures);
  return got;
}

async function take(got, kinds) {
  const stream = await navigator.mediaDevices.getUserMedia(
    Object.fromEntries(kinds.map((kind) => [kind, CONSTRAINTS[kind]])),
  );
  for (const track of stream.getTracks()) got[track.kind] = track;
}

/** Those kinds that the person has not denied for good. Not every browser tells; then all of them. */
async function notDenied(kinds) {
  const left = [];
  for (const kind of kinds) {
    let state = "unknown";
    try {
      state = (await navigator.permissions.query({ name: WORDS[kind] })).state;
    } catch {
      // This browser does not know the name of the permission.
    }
    if (state !== "denied") left.push(kind);
  }
  return left;
}

function explain(failures) {
  if (failures.size === 0) return "";
  const things = [...failures.keys()].map((kind) => WORDS[kind]).sort().join(" and ");
  switch ([...failures.values()][0]) {
    case "NotAllowedError":
    case "SecurityError":
      return `The browser was not allowed to use your ${things}. Allow it beside the address, or join without.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${things} was found. You can join without.`;
    case "NotReadableError":
    case "AbortError":
      return `Your ${things} cannot be opened; perhaps another program uses it. You can join without.`;
    default:
      return `Your ${things} cannot be used (${[...failures.values()][0]}). You can join without.`;
  }
}
