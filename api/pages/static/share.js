// The screen as a picture. The browser asks which screen, window or tab; what it shows then takes the place of the camera on
// the one video section that everybody has (contract room-api, section 5.3).

const CONSTRAINTS = { video: { frameRate: { ideal: 15, max: 30 } }, audio: false };

export const canShare = () => Boolean(navigator.mediaDevices?.getDisplayMedia);

/**
 * Returns {track, trouble}: a track or null, and a sentence or "". Whoever closes the browser's question has changed their mind,
 * which is no trouble.
 */
export async function captureScreen() {
  try {
    const [track] = (await navigator.mediaDevices.getDisplayMedia(CONSTRAINTS)).getVideoTracks();
    track.contentHint = "detail"; // letters are to stay legible; then rather fewer pictures
    return { track, trouble: "" };
  } catch (error) {
    return { track: null, trouble: explain(error.name) };
  }
}

function explain(name) {
  switch (name) {
    case "NotAllowedError":
    case "AbortError":
      return "";
    case "NotFoundError":
    case "NotReadableError":
      return "There is no screen or window that the browser can show.";
    default:
      return `The screen cannot be shared (${name}).`;
  }
}
