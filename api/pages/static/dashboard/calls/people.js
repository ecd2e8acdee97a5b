// Who was in a conference, and with what: a line for each session, which is one page of a person, or the server's word on them.

import { h } from "../dom.js";
import { duration } from "../format.js";
import { named, viewOf } from "./words.js";

/** The people of a conference who have told something, or of whom the server has. */
export function present(participants, sessions) {
  const told = new Set(sessions.map((session) => session.participant));
  return participants.filter((each) => told.has(each.id));
}

export function personItem(person, sessions) {
  const own = sessions.filter((each) => each.participant === person.id);
  return h("li", {}, h("a", { href: `#/calls/participants/${person.id}` }, named(person.participant_name, person.participant_id)),
    ...own.flatMap((session) => [facts(session), devices(session)]
      .filter((text) => text !== "").map((text) => h("p", { class: "hint" }, text))));
}

/** A session in a line: what the person came with, and for how long. */
export function facts(session) {
  const { platform, geo_ip: place } = session;
  const known = [
    viewOf(session),
    platform?.browser?.name && `${platform.browser.name} ${platform.browser.version ?? ""}`.trim(),
    platform?.os?.name,
    [place?.city, place?.country_code].filter(Boolean).join(", "),
    session.app_version && `app ${session.app_version}`,
    viewOf(session) === "browser" ? session.webrtc_sdk && `SDK ${session.webrtc_sdk}` : null,
    session.end_time === null ? "still there" : `stayed ${duration(session.duration)}`,
  ];
  return known.filter(Boolean).join(" · ");
}

/** Names of the devices it had, each once; browsers hide them until they may be used. */
export function devices(session) {
  const list = Array.isArray(session.devices) ? session.devices : Object.values(session.devices ?? {}).flat();
  const labels = list.map((each) => each?.label).filter((label) => typeof label === "string" && label !== "");
  return labels.length === 0 ? "" : `Devices: ${[...new Set(labels)].join(", ")}`;
}
