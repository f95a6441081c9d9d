/** What an image can be built of: "debian/12", "ubuntu/jammy", "busybox". Pure. */
import { Fault } from "#base/errors.ts";
import { suggest } from "#base/suggest.ts";

export interface RecipeWish {
  /** "debian/12", "ubuntu/jammy", "busybox". */
  readonly recipe: string;
  readonly mirror: string | undefined;
  readonly keyring: string | undefined;
  /** Of the distribution, besides what every image has; with all that they depend on. */
  readonly packages?: readonly string[] | undefined;
}

const DEBIAN: Readonly<Record<string, string>> = {
  "11": "bullseye",
  "12": "bookworm",
  "13": "trixie",
};
const UBUNTU: Readonly<Record<string, string>> = {
  "20.04": "focal",
  "22.04": "jammy",
  "24.04": "noble",
};
/** @see Debian policy 5.6.1 */
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/;
export interface Recipe {
  readonly os: "Debian" | "Ubuntu" | "BusyBox";
  readonly release: string;
  readonly codename: string;
}

/**
 * Pure.
 * @throws {Fault} bad_request for an unknown recipe, a bad name of a package, or Ubuntu without mirror and
 * keyring.
 */
export function parseRecipe(options: RecipeWish): Recipe {
  const { recipe, packages = [] } = options;
  if (recipe === "busybox") {
    if (packages.length > 0) {
      throw new Fault("bad_request", "the image busybox has no packages", {
        hint: "Packages are for debian/<release> and ubuntu/<release>.",
      });
    }
    return { os: "BusyBox", release: "busybox", codename: "busybox" };
  }
  const bad = packages.find((name) => !PACKAGE_NAME.test(name));
  if (bad !== undefined) {
    throw new Fault("bad_request", `"${bad}" is no name of a package`, {
      hint: "It has lower case letters, digits and . + - only, as docker.io.",
    });
  }
  const [os = "", release = ""] = recipe.split("/");
  if (os === "debian" && release !== "") {
    const codename = DEBIAN[release] ??
      (Object.values(DEBIAN).includes(release) ? release : undefined);
    if (codename !== undefined) return { os: "Debian", release, codename };
  }
  if (os === "ubuntu" && /^[a-z0-9.]+$/.test(release)) {
    if (options.mirror === undefined || options.keyring === undefined) {
      throw new Fault("bad_request", "an Ubuntu image needs a mirror and its keyring", {
        hint: "Give --mirror URL and --keyring FILE (package ubuntu-keyring).",
      });
    }
    return { os: "Ubuntu", release, codename: UBUNTU[release] ?? release };
  }
  const known = [
    "busybox",
    ...Object.keys(DEBIAN).map((one) => `debian/${one}`),
    "ubuntu/<release>",
  ];
  const near = suggest(recipe, known);
  throw new Fault("bad_request", `there is no recipe for an image "${recipe}"`, {
    hint: near === undefined ? `Recipes: ${known.join(", ")}.` : `Did you mean "${near}"?`,
  });
}
