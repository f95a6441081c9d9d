/**
 * The profile "docker" of the user's guide: `lxc launch IMAGE NAME -p default -p docker`. It is there from
 * the start and an ordinary profile: who deletes it does not get it back.
 */
const CONFIG: Readonly<Record<string, string>> = {
  "security.nesting": "true",
  "linux.kernel_modules": "overlay,nf_nat",
};
/** Docker shall not load AppArmor profiles of its own: inside a container it can't. */
const APPARMOR_OFF: Readonly<Record<string, string>> = {
  "path": "/sys/module/apparmor/parameters/enabled",
  "required": "false",
  "source": "/dev/null",
};

const rows = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([key, value]) => `SELECT '${key}' AS key, '${value}' AS value`)
    .join(" UNION ALL ");

/** A migration; a profile of that name that exists already stays as it is. */
export const DOCKER_PROFILE = `
  INSERT INTO profiles (name, description, project_id)
    SELECT 'docker', 'Profile supporting docker in containers', 1
    WHERE NOT EXISTS (SELECT 1 FROM profiles WHERE name = 'docker' AND project_id = 1);
  INSERT INTO profiles_config (profile_id, key, value)
    SELECT p.id, v.key, v.value FROM profiles p, (${rows(CONFIG)}) v
    WHERE p.name = 'docker' AND p.project_id = 1
      AND p.description = 'Profile supporting docker in containers';
  INSERT INTO profiles_devices (profile_id, name, type)
    SELECT id, 'aadisable', 2 FROM profiles
    WHERE name = 'docker' AND project_id = 1
      AND description = 'Profile supporting docker in containers';
  INSERT INTO profiles_devices_config (profile_device_id, key, value)
    SELECT d.id, v.key, v.value FROM profiles_devices d JOIN profiles p ON p.id = d.profile_id,
      (${rows(APPARMOR_OFF)}) v
    WHERE d.name = 'aadisable' AND p.name = 'docker' AND p.project_id = 1;`;
