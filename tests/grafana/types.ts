// What the dashboard is held against: the types that Grafana publishes, with those of each kind of
// panel that is used. JSON has no enums, so each of them stands for its values.
import type { Dashboard, FieldConfig, FieldConfigSource, Panel, RowPanel } from "@grafana/schema";
import type { Options as Bars } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { Options as Logs } from "@grafana/schema/dist/esm/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as Cells,
  Options as Table,
} from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type {
  FieldConfig as Curves,
  Options as TimeSeries,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

type Plain<T> = T extends string
  ? `${T}`
  : T extends number
    ? `${T}` extends `${infer N extends number}`
      ? N
      : number
    : T extends object
      ? { [K in keyof T]: Plain<T[K]> }
      : T;

type Fields<Custom> = Omit<Plain<FieldConfigSource>, "defaults"> & {
  defaults: Omit<Plain<FieldConfig>, "custom"> & { custom?: Plain<Partial<Custom>> };
};

type Of<Kind extends string, Options, Custom = Record<string, never>> = Omit<
  Plain<Panel>,
  "type" | "options" | "fieldConfig"
> & { type: Kind; options: Plain<Partial<Options>>; fieldConfig: Fields<Custom> };

type AnyPanel =
  | Plain<RowPanel>
  | Of<"bargauge", Bars>
  | Of<"logs", Logs>
  | Of<"stat", Stat>
  | Of<"table", Table, Cells>
  | Of<"timeseries", TimeSeries, Curves>;

export type OptimizrDashboard = Omit<Plain<Dashboard>, "panels"> & { panels: AnyPanel[] };
