// Figures as text. What is not known is a dash.

const NOTHING = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const two = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
// A day of the server's time zone, as its name: it must not become another one in the viewer's.
const dayShort = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const dayLong = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "long", year: "numeric", timeZone: "UTC",
});

export function count(number) {
  return number === null || number === undefined ? NOTHING : whole.format(number);
}

/** "1 person", "2 people" */
export function counted(number, singular, plural = `${singular}s`) {
  return `${whole.format(number)} ${number === 1 ? singular : plural}`;
}

export function bitRate(bps) {
  if (bps === null) return NOTHING;
  if (bps < 1e3) return `${whole.format(bps)} bit/s`;
  if (bps < 1e6) return `${whole.format(bps / 1e3)} kbit/s`;
  return `${(bps < 1e7 ? two : one).format(bps / 1e6)} Mbit/s`;
}

/** A fraction of one. */
export function percent(fraction) {
  if (fraction === null) return NOTHING;
  if (fraction <= 0) return "0 %";
  if (fraction < 0.001) return "< 0.1 %";
  return `${(fraction < 0.1 ? one : whole).format(fraction * 100)} %`;
}

export function milliseconds(us) {
  if (us === null) return NOTHING;
  const ms = us / 1e3;
  return ms > 0 && ms < 10 ? `${one.format(ms)} ms` : `${whole.format(ms)} ms`;
}

/** How long something has lasted, in the two units that matter. */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const [minutes, hours, days] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86400)];
  if (hours === 0) return `${minutes} min`;
  if (days === 0) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${days} d ${hours % 24} h`;
}

/** How much was used: to the minute, from a minute on; hours are not made days. */
export function usage(seconds) {
  if (seconds === 0) return "0";
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${whole.format(Math.floor(minutes / 60))} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export function exact(iso) {
  return moment.format(new Date(iso));
}

export function onDate(iso) {
  return date.format(new Date(iso));
}

export function shortDay(day) {
  return dayShort.format(new Date(`${day}T00:00:00Z`));
}

export function longDay(day) {
  return dayLong.format(new Date(`${day}T00:00:00Z`));
}

const DIALECTS = { room_api: "Room API", kpoint: "KPOINT", sip: "SIP phone" };

export function dialect(name) {
  return DIALECTS[name] ?? name;
}
